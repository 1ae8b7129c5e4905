import type { Fault, RpcRequest } from '../anchor/support/fault-proxy.ts'
import { createQueue, type Patience } from './patience.ts'
import { type FaultEvent, RPC_FAULTS, type RpcFaultKind, randomOf } from './schedule.ts'
import type { ChaosStage } from './stage.ts'

export type RpcFaultEvent = Extract<FaultEvent, { kind: RpcFaultKind }>

export function isRpcFault(event: FaultEvent): event is RpcFaultEvent {
  return (RPC_FAULTS as readonly string[]).includes(event.kind)
}

/**
 * How nodes and gateways word what they think of a sent transaction; `carriedOut`: the endpoint passed it on all the
 * same. Some of them are untrue at the time, as an endpoint's cache can make them.
 */
const WORDINGS: readonly { code: number; message: string; carriedOut: boolean }[] = [
  { code: -32000, message: 'already known', carriedOut: true },
  { code: -32010, message: 'AlreadyKnown', carriedOut: true },
  { code: -32000, message: 'Known transaction', carriedOut: true },
  { code: -32000, message: 'ALREADY_EXISTS: already known', carriedOut: true },
  { code: -32000, message: 'nonce too low', carriedOut: true },
  { code: -32000, message: 'nonce too low: next nonce 9, tx nonce 8', carriedOut: false },
  { code: -32000, message: 'replacement transaction underpriced', carriedOut: false },
  { code: -32010, message: 'ReplacementNotAllowed', carriedOut: false },
  {
    code: -32000,
    message: 'transaction underpriced: gas tip cap 1, minimum needed 25000000000',
    carriedOut: false,
  },
  { code: -32003, message: 'max fee per gas less than block base fee', carriedOut: false },
  { code: -32000, message: 'txpool is full', carriedOut: false },
  { code: -32000, message: 'insufficient funds for gas * price + value: balance 0', carriedOut: false },
  { code: -32603, message: 'Internal error', carriedOut: true },
  { code: -32603, message: 'request timed out upstream', carriedOut: false },
  { code: -32005, message: 'daily request count exceeded, request rate limited', carriedOut: false },
]

/** What the endpoint does with each request while the fault lasts. */
function ruleOf(event: RpcFaultEvent): Rule {
  const random = randomOf(event.seed)
  const lag = 1 + Math.floor(random() * 5)
  const isWithinLimit = rateLimit(CALLS_A_SECOND)
  return ({ method }) => {
    if (random() >= event.share && event.kind !== 'rpc_stale') return undefined
    switch (event.kind) {
      case 'rpc_drop_reply':
        return { kind: 'drop_reply' }
      case 'rpc_drop_request':
        return { kind: 'drop_request' }
      case 'rpc_delay':
        return { kind: 'delay', ms: Math.floor(random() * 2_500) }
      case 'rpc_duplicate':
        return { kind: 'duplicate' }
      case 'rpc_429':
        return { kind: 'http', status: 429, headers: { 'retry-after': '1' }, body: 'Too Many Requests' }
      case 'rpc_503':
        return {
          kind: 'http',
          status: 503,
          body: '<html>Service Unavailable</html>',
          forward: random() < 0.5,
        }
      case 'rpc_wrong_id':
        return { kind: 'wrong_id' }
      case 'rpc_stale':
        return method === 'eth_sendRawTransaction' ? undefined : { kind: 'stale', blocks: lag }
      case 'rpc_wording': {
        if (method !== 'eth_sendRawTransaction') return undefined
        const { code, message, carriedOut } = WORDINGS[Math.floor(random() * WORDINGS.length)]!
        return { kind: 'error', code, message, forward: carriedOut }
      }
      case 'rpc_slow_limited':
        return isWithinLimit()
          ? { kind: 'delay', ms: 100 + Math.floor(random() * 400) }
          : { kind: 'http', status: 429, headers: { 'retry-after': '1' }, body: 'Too Many Requests' }
      case 'rpc_refused':
        return undefined
    }
  }
}

/** As public endpoints have it. */
const CALLS_A_SECOND = 4

/** True for the first calls of each second. */
function rateLimit(perSecond: number): () => boolean {
  let second = 0
  let calls = 0
  return () => {
    const now = Math.floor(performance.now() / 1_000)
    calls = now === second ? calls + 1 : 1
    second = now
    return calls <= perSecond
  }
}

type Rule = (request: RpcRequest) => Fault | undefined

/**
 * Applies faults to endpoints; several may last at once, and the first that has something to say decides. A fault lasts
 * for its time, and until it has hit something.
 */
export function createRpcFaults(
  stage: Pick<ChaosStage, 'proxies' | 'replicas' | 'apiKey'>,
  patience: Patience,
): {
  /** True when it hit at least one request: a daemon's, for nobody else asks these endpoints. */
  strike(event: RpcFaultEvent): Promise<boolean>
  /** Everything answers as it should from now on. */
  stop(): Promise<void>
} {
  const { proxies } = stage
  const active = proxies.map(() => new Set<Rule>())
  const inTurn = createQueue()
  for (const [index, proxy] of proxies.entries()) {
    proxy.rule = (request) => {
      for (const rule of active[index]!) {
        const fault = rule(request)
        if (fault !== undefined) return fault
      }
      return undefined
    }
  }

  async function answerWrongly(event: RpcFaultEvent): Promise<boolean> {
    const rule = ruleOf(event)
    let hits = 0
    const counted: Rule = (request) => {
      const fault = rule(request)
      if (fault !== undefined) hits += 1
      return fault
    }
    for (const index of event.endpoints) active[index]!.add(counted)
    await patience.pause(event.forMs)
    await patience.until(() => (hits > 0 ? true : null))
    for (const index of event.endpoints) active[index]!.delete(counted)
    return hits > 0
  }

  /** Nobody listens, so that nobody here can count who came: a daemon has to say that it was refused. */
  async function refuseConnections(event: RpcFaultEvent): Promise<boolean> {
    const refusing = event.endpoints.map((index) => proxies[index]!)
    for (const proxy of refusing) await proxy.refuse()
    const noticed = await patience.until(() => wasRefused(refusing.map(({ url }) => new URL(url).host)))
    await patience.pause(event.forMs)
    for (const proxy of refusing) await proxy.accept()
    return noticed === true
  }

  async function wasRefused(hosts: readonly string[]): Promise<true | null> {
    const answers = await Promise.all(stage.replicas.map(({ url }) => endpointsOf(url, stage.apiKey)))
    return answers
      .flat()
      .some(({ name, lastError }) => hosts.includes(name) && lastError?.includes('ECONNREFUSED'))
      ? true
      : null
  }

  return {
    strike: (event) =>
      event.kind === 'rpc_refused' ? inTurn(() => refuseConnections(event)) : answerWrongly(event),
    async stop() {
      for (const rules of active) rules.clear()
      await inTurn(() => Promise.all(proxies.map((proxy) => proxy.accept())))
    },
  }
}

type EndpointSaid = { name: string; lastError: string | null }

/** The endpoints as a daemon sees them; none while it does not answer. */
async function endpointsOf(url: string, apiKey: string): Promise<EndpointSaid[]> {
  try {
    const response = await fetch(`${url}/v1/status`, {
      headers: { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(1_000),
    })
    const status = (await response.json()) as { chains?: { endpoints: EndpointSaid[] }[] }
    return status.chains?.flatMap((chain) => chain.endpoints) ?? []
  } catch {
    return []
  }
}
