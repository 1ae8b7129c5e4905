import { REGISTRY_DEPLOYED_BYTECODE } from '../anchor/contract/registry.generated.ts'
import { missingRegistryAdvice, registryOf } from '../anchor/contract/registry.ts'
import { dataFeeOf } from '../anchor/fees/data-fee.ts'
import { estimateGas } from '../anchor/fees/estimate-gas.ts'
import { chooseGasLimit, leastGas } from '../anchor/fees/gas-limit.ts'
import { quoteFees } from '../anchor/fees/quote.ts'
import { orNull } from '../anchor/optional.ts'
import { balanceOf, blockAt, codeAt } from '../anchor/rpc/chain-reads.ts'
import { endpointNames } from '../anchor/rpc/endpoint.ts'
import { createEndpoints } from '../anchor/rpc/endpoints.ts'
import { createSigner } from '../anchor/signers/open.ts'
import { type Signer, signChecked } from '../anchor/signers/signer.ts'
import { firstCall } from '../anchor/submit.ts'
import type { Config } from '../config/schema.ts'
import { readSigner } from '../config/secrets.ts'
import { counted, hashes } from '../core/counted.ts'
import { createDeadline } from '../core/cron.ts'
import { noMetrics } from '../core/metrics.ts'
import type { Clock, Logger } from '../core/ports.ts'
import { anchorBacklog, lastMinedAnchor, openAnchors } from '../store/chain/anchors.ts'
import { listAccounts } from '../store/chain/list-accounts.ts'
import type { Pool } from '../store/connection/database.ts'
import { leaseHolder } from '../store/connection/leases.ts'
import { judgeEndpoint } from './endpoint.ts'
import { lastTick } from './tick.ts'
import { type Check, fail, judgeClock, ok, seconds, type Verdict, warn } from './verdict.ts'

const RPC_TIMEOUT_MS = 5_000
const FEW_ANCHORS = 100
/** Left to the tick that has just come. */
const TICK_GRACE_MS = 60_000

/** What endpoints would say is in their own lines here. */
const nothing = () => undefined
const quiet: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => quiet }

/** The checks of one chain; `close` aborts what still hangs in the network. */
export function chainChecks(deps: {
  chain: Config['chains'][number]
  env: Readonly<Record<string, string | undefined>>
  pool: Pool
  clock: Clock
}): { checks: Check[]; close(): void } {
  const { chain, env, pool, clock } = deps
  const { chainId } = chain
  const registry = registryOf(chain)
  const open = (rpcUrls: readonly string[]) =>
    createEndpoints({
      chainId,
      rpcUrls,
      timeoutMs: RPC_TIMEOUT_MS,
      lookMs: RPC_TIMEOUT_MS,
      clock,
      logger: quiet,
      metrics: noMetrics,
    })
  const all = open(chain.rpcUrls)
  const each = chain.rpcUrls.map((url) => open([url]))
  const names = endpointNames(chain.rpcUrls)
  const signer = once(() => createSigner(readSigner(chain.signer, env)))
  /** Null while the signer does not tell it, which is said in its own line. */
  const signerAddress = async () => {
    try {
      return (await signer()).address
    } catch {
      return null
    }
  }
  const check = (name: string, run: () => Promise<Verdict>): Check => ({
    name: `chain ${chainId} ${name}`,
    run,
  })

  async function endpoint(index: number): Promise<Verdict> {
    return judgeEndpoint(await each[index]!.view(), chain, clock.now())
  }

  /** Blocks are never from the future: a head that is ahead shows that this clock is behind. */
  async function headClock(): Promise<Verdict> {
    const { ask } = await all.view()
    const block = await blockAt(ask, 'latest')
    if (block === null) return warn('the chain has no block', 'Try again once it has.')
    return judgeClock(Math.min(0, clock.now() - block.time.getTime()), 'the newest block')
  }

  async function contract(): Promise<Verdict> {
    const { ask } = await all.view()
    const code = await codeAt(ask, registry)
    if (code === '0x') return fail(`no contract at ${registry}`, missingRegistryAdvice(chain))
    return code === REGISTRY_DEPLOYED_BYTECODE.toLowerCase()
      ? ok(`${registry} is AnchorRegistry`)
      : fail(
          `${registry} holds another contract`,
          'Correct the chain’s `registry`, or leave it out and run `holdfast deploy`.',
        )
  }

  async function signing(): Promise<Verdict> {
    const held = await signer()
    await signProbe(held, chainId)
    return ok(`${held.address} signs (${chain.signer.type})`)
  }

  async function balance(): Promise<Verdict> {
    const [{ address }, { ask }] = await Promise.all([signer(), all.view()])
    const [wei, quote] = await Promise.all([orNull(balanceOf(ask, address)), quoteFees(ask, chain.fees)])
    if (wei === null)
      return warn('the endpoint does not tell the balance', 'Use another endpoint, or watch it elsewhere.')
    const call = firstCall(chain, Buffer.alloc(32, 0xff))
    const gas = chooseGasLimit({
      least: leastGas(call.data),
      estimate: await estimateGas(ask, { ...call, from: address }),
      maxGas: chain.maxGas,
    })
    if (gas.kind === 'over') {
      const found = `an anchor takes ${gas.needed} gas or more; maxGas is ${chain.maxGas}`
      return fail(found, 'Raise the chain’s `maxGas`.')
    }
    const payload = { ...call, gasLimit: gas.gasLimit }
    const dataFee = await orNull(dataFeeOf(ask, payload, { noDataFee: false }))
    const worst = BigInt(payload.gasLimit) * quote.offer.maxFeePerGas + (dataFee ?? 0n)
    const anchors = worst === 0n ? Infinity : Number(wei / worst)
    const text = `${Number(wei) / 1e18} ETH, enough for ${counted(anchors, 'anchor')} of ${payload.gasLimit} gas at most fees of today`
    const fund = `Send funds to ${address} on chain ${chainId}.`
    if (anchors < 1) return fail(text, fund)
    if (quote.overCap) {
      const todo = 'Anchoring waits until fees fall; raise the chain’s fees.maxFeePerGasGwei to go on sooner.'
      return warn(`${text}; the chain asks more than maxFeePerGasGwei allows`, todo)
    }
    return anchors < FEW_ANCHORS ? warn(text, fund) : ok(text)
  }

  async function account(): Promise<Verdict> {
    const accounts = await listAccounts(pool, chainId)
    const paused = accounts.filter(({ pausedReason }) => pausedReason !== null)
    if (paused.length === 0) return ok(accounts.length === 0 ? 'no key has been used yet' : 'not paused')
    const address = await signerAddress()
    const resume = `\`holdfast anchors resume --chain ${chainId}\``
    const text = paused
      .map(
        (each) =>
          `${each.address} is paused since ${each.pausedAt?.toISOString()}: ${each.pausedReason}: ${each.pausedDetail}`,
      )
      .join('; ')
    return address === null || paused.some((each) => each.address === address)
      ? fail(text, `Find the cause, then run ${resume}.`)
      : warn(
          `${text}; it is not the configured key, which is not paused`,
          `Nothing is signed with it. Once you know the cause, ${resume} forgets it.`,
        )
  }

  async function lease(): Promise<Verdict> {
    const holder = await leaseHolder(pool, `anchor:${chainId}`)
    return holder
      ? ok(`${holder.owner} anchors (epoch ${holder.epoch})`)
      : warn('no daemon anchors on this chain now', 'Start `holdfast serve`, or see its log.')
  }

  /** By its tick, a record is to be in an anchor; `anchorWithinMs` later, in a block. */
  async function backlog(): Promise<Verdict> {
    const { batches, leaves, waitsSince } = await anchorBacklog(pool, chainId)
    if (waitsSince === null) return ok('nothing waits for an anchor')
    const by = createDeadline(chain)(waitsSince.getTime())
    const tick = by - chain.anchorWithinMs
    const text = `${hashes(leaves)} in ${counted(batches, 'batch', 'batches')} waiting, to be anchored by ${new Date(by).toISOString()}`
    const todo = 'See the lines of this chain’s lease, account and balance, and `holdfast anchors list`.'
    if (clock.now() > by) return fail(`${text}, which has passed`, todo)
    if (clock.now() > tick + TICK_GRACE_MS)
      return warn(`${text}; the tick at ${new Date(tick).toISOString()} left them`, todo)
    return ok(text)
  }

  async function anchors(): Promise<Verdict> {
    const [openOnes, last] = await Promise.all([openAnchors(pool, chainId), lastMinedAnchor(pool, chainId)])
    const lastText =
      last === null
        ? 'none yet'
        : `the last, ${last.id}, was mined ${seconds(Math.max(0, clock.now() - (last.blockTime?.getTime() ?? 0)))} ago`
    const waiting = openOnes.find(({ state }) => state !== 'mined')
    if (waiting === undefined) return ok(lastText)
    const why = waiting.reason === null ? '' : ` (${waiting.reason}: ${waiting.detail})`
    const text = `anchor ${waiting.id} is ${waiting.state}${why}, due ${waiting.anchorBy.toISOString()}; ${lastText}`
    const todo = `See \`holdfast anchors show ${waiting.id}\`.`
    if (clock.now() > waiting.anchorBy.getTime()) return fail(text, todo)
    return waiting.reason === null ? ok(text) : warn(text, todo)
  }

  return {
    checks: [
      ...names.map((name, index) => check(`endpoint ${name}`, () => endpoint(index))),
      check('clock', headClock),
      check('registry', contract),
      check('signer', signing),
      check('balance', balance),
      check('account', account),
      check('lease', lease),
      check('backlog', backlog),
      check('last tick', lastTick({ chain, pool, clock, address: signerAddress })),
      check('anchors', anchors),
    ],
    close() {
      for (const endpoints of [all, ...each]) endpoints.close()
    },
  }
}

/** Signs what no chain can ever take: 1 wei a gas unit, on a nonce that no account reaches, sending nothing to itself. */
async function signProbe(signer: Signer, chainId: number): Promise<void> {
  await signChecked(signer, {
    chainId,
    nonce: Number.MAX_SAFE_INTEGER,
    to: signer.address,
    data: '0x',
    gasLimit: 21_000,
    type: 2,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n,
  })
}

/** The first call's promise for every call. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
