import { RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { type Ask, askFor, MalformedAnswerError, quantityOf } from 'holdfast-client/rpc-values'
import { HoldfastError } from '../../core/errors.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Clock, Logger } from '../../core/ports.ts'
import { createEndpoint, type Endpoint, type EndpointHealth, endpointNames } from './endpoint.ts'
import { classifySendError, combineOutcomes, type SendOutcome } from './send-outcome.ts'

/** The chain as one endpoint shows it at one moment; a pass asks all of its questions through one view. */
export type ChainView = {
  endpoint: string
  head: number
  ask: Ask
  /** Looks through others first for a while, where there are others. */
  lookFailed(error: unknown): void
  lookDone(): void
}

export type Endpoints = {
  /**
   * Asks every endpoint for its newest block. Those that answer, the best to look through first: not behind before
   * behind, those that served the last look to its end before those that did not, then the given order.
   * @throws HoldfastError CHAIN_UNAVAILABLE (retry) when none answers, WRONG_CHAIN when those that answer serve another
   */
  views(): Promise<ChainView[]>
  /**
   * The first of {@link views}.
   * @throws as it does
   */
  view(): Promise<ChainView>
  /** Sends the bytes to every endpoint. One acceptance is enough. */
  send(raw: Buffer): Promise<SendOutcome>
  /** @throws HoldfastError WRONG_CHAIN when any endpoint that answers serves another chain */
  requireChain(): Promise<void>
  health(): EndpointHealth[]
  close(): void
}

/** An endpoint more than this many blocks behind the best one is looked through last. */
const TOLERATED_LAG = 2

export function createEndpoints(options: {
  chainId: number
  rpcUrls: readonly string[]
  timeoutMs: number
  clock: Clock
  logger: Logger
  metrics: Metrics
  random?: () => number
}): Endpoints {
  const { chainId, logger } = options
  const names = endpointNames(options.rpcUrls)
  const endpoints = options.rpcUrls.map((url, index) =>
    createEndpoint({ ...options, url, name: names[index]!, random: options.random ?? Math.random }),
  )

  async function views(): Promise<ChainView[]> {
    const answers = await Promise.allSettled(endpoints.map(viewOf))
    const open = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    if (open.length > 0) return bestFirst(open)
    const faults = answers.map((answer) => (answer.status === 'rejected' ? answer.reason : null))
    const wrong = faults.find((fault) => fault instanceof HoldfastError)
    if (wrong !== undefined) throw wrong
    throw new HoldfastError(
      'CHAIN_UNAVAILABLE',
      `No RPC endpoint of chain ${chainId} answers: ${faults.map((fault, i) => `${names[i]}: ${messageOf(fault)}`).join('; ')}.`,
      { retryAfter: 5, cause: faults[0] },
    )
  }

  return {
    views,
    view: async () => (await views())[0]!,
    async send(raw) {
      const params = [`0x${raw.toString('hex')}`]
      const outcomes = await Promise.all(endpoints.map((endpoint) => sendTo(endpoint, params)))
      return combineOutcomes(outcomes)
    },
    async requireChain() {
      const answers = await Promise.allSettled(endpoints.map((endpoint) => endpoint.call('eth_chainId', [])))
      for (const answer of answers) {
        if (answer.status === 'fulfilled') continue
        if (answer.reason instanceof HoldfastError) throw answer.reason
        logger.warn({ err: answer.reason, chainId }, 'rpc endpoint does not answer at start')
      }
    },
    health: () => endpoints.map((endpoint) => endpoint.health()),
    close() {
      for (const endpoint of endpoints) endpoint.close()
    },
  }
}

type RankedView = ChainView & { setAside: boolean }

function bestFirst(views: readonly RankedView[]): RankedView[] {
  const best = views.reduce((head, view) => Math.max(head, view.head), 0)
  const rank = (view: RankedView) => (view.head < best - TOLERATED_LAG ? 2 : 0) + (view.setAside ? 1 : 0)
  return [...views].sort((a, b) => rank(a) - rank(b))
}

async function viewOf(endpoint: Endpoint): Promise<RankedView> {
  const { name, call, lookFailed, lookDone } = endpoint
  try {
    const head = await askFor(call, 'eth_blockNumber', [], quantityOf)
    endpoint.sawHead(head)
    return { endpoint: name, head, ask: call, lookFailed, lookDone, setAside: endpoint.isSetAside() }
  } catch (error) {
    if (error instanceof RpcAnswerError || error instanceof MalformedAnswerError) lookFailed(error)
    throw error
  }
}

async function sendTo(endpoint: Endpoint, params: readonly unknown[]): Promise<SendOutcome> {
  try {
    await endpoint.call('eth_sendRawTransaction', params)
    return { kind: 'accepted' }
  } catch (error) {
    // An endpoint of another chain, or one that backs off or cannot be connected to, has not seen the bytes.
    if (error instanceof HoldfastError || (error instanceof RpcTransportError && !error.sent)) {
      return { kind: 'unsent', message: messageOf(error) }
    }
    return classifySendError(error)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
