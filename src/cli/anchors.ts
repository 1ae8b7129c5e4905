/** `holdfast anchors`: what an operator sees of them, and the wishes that the daemon with the lease carries out. */
import { nonceAt } from '../anchor/rpc/chain-reads.ts'
import { createEndpoints } from '../anchor/rpc/endpoints.ts'
import { createSigner } from '../anchor/signers/open.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { readSigner, secretsOf } from '../config/secrets.ts'
import { counted, hashes } from '../core/counted.ts'
import { HoldfastError } from '../core/errors.ts'
import { toHex } from '../core/hash.ts'
import { noMetrics } from '../core/metrics.ts'
import { systemClock } from '../core/ports.ts'
import { createLogger } from '../ops/logger.ts'
import { resumeAccount } from '../store/chain/accounts.ts'
import {
  type Anchor,
  type AnchorWish,
  listAnchors,
  readAnchor,
  setAnchorWish,
} from '../store/chain/anchors.ts'
import { type Attempt, attemptsOf } from '../store/chain/attempts.ts'
import { type AccountSummary, listAccounts } from '../store/chain/list-accounts.ts'
import type { Pool } from '../store/connection/database.ts'
import { leaseHolder } from '../store/connection/leases.ts'
import { withDatabase } from './database-url.ts'
import { print } from './terminal.ts'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 1000
const RPC_TIMEOUT_MS = 10_000

export async function showAnchors(options: {
  chain?: string
  limit?: string
  json?: boolean
}): Promise<void> {
  const chainId = chainOf(options.chain)
  const limit =
    options.limit === undefined ? DEFAULT_LIMIT : Math.min(MAX_LIMIT, whole('--limit', options.limit))
  const anchors = await withDatabase(({ pool }) =>
    listAnchors(pool, { limit, ...(chainId === null ? {} : { chainId }) }),
  )
  if (options.json) return print(JSON.stringify(anchors.map(plainAnchor), null, 2))
  if (anchors.length === 0) print('No anchors yet.')
  for (const anchor of anchors) {
    const { id, chainId: chain, state, firstBatch, lastBatch, leafCount, anchorBy, reason } = anchor
    const batches = firstBatch === lastBatch ? `batch ${firstBatch}` : `batches ${firstBatch}-${lastBatch}`
    const place =
      anchor.blockNumber === null ? `due ${anchorBy.toISOString()}` : `block ${anchor.blockNumber}`
    const notes = [...(reason ? [reason] : []), ...(anchor.wish ? [`${anchor.wish} asked for`] : [])]
    print([id, `chain ${chain}`, state, batches, hashes(leafCount), place, notes.join(', ')].join('\t'))
  }
}

export async function showAnchor(idText: string, options: { json?: boolean }): Promise<void> {
  const id = whole('<id>', idText)
  const { anchor, attempts } = await withDatabase(async ({ pool }) => {
    const found = await findAnchor(pool, id)
    return { anchor: found, attempts: await attemptsOf(pool, [found.id]) }
  })
  if (options.json) {
    print(JSON.stringify({ ...plainAnchor(anchor), attempts: attempts.map(plainAttempt) }, null, 2))
    return
  }
  const rows = Object.entries(plainAnchor(anchor)).filter(([, value]) => value !== null)
  for (const [name, value] of rows) print(`${name.padEnd(16)}${value}`)
  print(attempts.length === 0 ? '\nNothing is signed yet.' : '\nTransactions, oldest first:')
  for (const attempt of attempts) {
    const { kind, nonce, hash, state, sendCount, error } = attempt
    const fees = `${Number(attempt.maxFeePerGas) / 1e9} gwei, tip ${Number(attempt.maxPriorityFeePerGas) / 1e9}`
    const facts = [
      `nonce ${nonce}`,
      kind === 'noop' ? 'no-op' : kind,
      state,
      fees,
      `sent ${counted(sendCount, 'time')}`,
      toHex(hash),
    ]
    print(`  ${facts.join('  ')}${error === null ? '' : `\n    last answer: ${error}`}`)
  }
}

/** Outbids now instead of when the time comes. */
export function retryAnchor(idText: string): Promise<void> {
  return wish(
    idText,
    'retry',
    ({ nonce }) =>
      `The transaction on nonce ${nonce} is replaced with one that pays at least 12.5 % more, and is then followed as before. At the fee cap this waits until the limits allow it; nothing is anchored twice.`,
  )
}

/** Spends the nonce on a no-op, then anchors the same root in a new transaction. */
export function cancelAnchor(idText: string): Promise<void> {
  return wish(
    idText,
    'cancel',
    ({ nonce }) =>
      `A no-op that pays more takes nonce ${nonce}. Once it is final, the same root is anchored in a new transaction: the batches are kept, and keep their paths. If the old transaction is mined first, it counts and nothing else is sent.`,
  )
}

/** Leaves the wish where the daemon can carry it out: a transaction is under way, and by a key that it signs with. */
async function wish(idText: string, kind: AnchorWish, next: (newest: Attempt) => string): Promise<void> {
  const id = whole('<id>', idText)
  await withDatabase(async ({ pool }) => {
    const anchor = await findAnchor(pool, id)
    if (anchor.state === 'mined' || anchor.state === 'finalized') throw inBlock(anchor)
    const newest = (await attemptsOf(pool, [anchor.id])).at(-1)
    if (anchor.state === 'prepared' || newest === undefined) throw notUnderWay(anchor, kind)
    await requireConfiguredKey(anchor, newest, kind)
    if (!(await setAnchorWish(pool, anchor.id, kind))) throw inBlock(await findAnchor(pool, id))
    print(`Noted: ${kind} anchor ${anchor.id}.`)
    print(next(newest))
    const account = (await listAccounts(pool, anchor.chainId)).find(
      ({ address }) => address === anchor.publisher,
    )
    if (account?.pausedReason) {
      print(
        `The account is paused (${account.pausedReason}), and signs nothing before \`holdfast anchors resume --chain ${anchor.chainId}\`.`,
      )
    }
    print(await who(pool, anchor.chainId))
  })
}

function inBlock({ id, state, blockNumber }: Anchor): HoldfastError {
  const detail = `Anchor ${id} is ${state}, in block ${blockNumber}: there is nothing to do for it.`
  return new HoldfastError('INVALID_REQUEST', detail)
}

function notUnderWay({ id, chainId, reason, detail }: Anchor, kind: AnchorWish): HoldfastError {
  const waits =
    reason === null
      ? `It is signed at the next look of the daemon that anchors on chain ${chainId}; \`holdfast status\` says whether one does.`
      : `It is signed as soon as what hinders it is gone (${reason}: ${detail}); see to that instead.`
  const text = `Anchor ${id} has no transaction under way, so there is none to ${kind}. ${waits}`
  return new HoldfastError('INVALID_REQUEST', text)
}

async function requireConfiguredKey(anchor: Anchor, newest: Attempt, kind: AnchorWish): Promise<void> {
  const { chain } = configured(anchor.chainId, `whether anchor ${anchor.id} can be replaced`)
  const { address } = await createSigner(readSigner(chain.signer, process.env))
  if (newest.address === address) return
  const text = `The transaction of anchor ${anchor.id} was signed by ${newest.address}, and the configured key is ${address}: only the old key can ${kind} it. Its stored bytes are sent again until they are mined, and other anchors do not wait for it. To ${kind} it, configure the old key, restart the daemon, and ask again.`
  throw new HoldfastError('INVALID_REQUEST', text)
}

/** Lifts the pause of every account, or of those on one chain. Needs the chain: the next nonce must not lag behind it. */
export async function resumeAnchoring(options: { chain?: string }): Promise<void> {
  const only = chainOf(options.chain)
  await withDatabase(async ({ pool }) => {
    const paused = (await listAccounts(pool, only)).filter(({ pausedReason }) => pausedReason !== null)
    if (paused.length === 0) {
      print(`No account${only === null ? '' : ` on chain ${only}`} is paused.`)
      return
    }
    for (const account of paused) await resume(pool, account)
  })
}

async function resume(pool: Pool, { chainId, address }: AccountSummary): Promise<void> {
  const reason = await resumeAccount(pool, chainId, address, await chainNonce(chainId, address))
  if (reason === null) return print(`${address} on chain ${chainId} was resumed by somebody else.`)
  print(`Resumed ${address} on chain ${chainId}, which was paused: ${reason}.`)
  print(AFTER_RESUME[reason] ?? 'It signs again.')
  print(await who(pool, chainId))
}

const AFTER_RESUME: Readonly<Record<string, string>> = {
  key_used_elsewhere:
    'Anchors whose nonce was taken are signed anew on the next free one. Should the other user of this key go on, it is paused again.',
  finality_contradicted:
    'Anchors that the chain no longer holds are followed and sent again, as after a reorg; their receipts go back until they are mined.',
  nonce_gap:
    'It signs again once the chain has taken the missing nonce. Should it still miss it, it is paused again.',
  reverted: 'The anchor that failed is tried once more, with more gas. Failing again, it is paused again.',
}

/** How many transactions of the account the chain holds. */
async function chainNonce(chainId: number, address: string): Promise<number> {
  const { config, chain } = configured(chainId, `the nonce of ${address}`)
  const endpoints = createEndpoints({
    ...chain,
    timeoutMs: RPC_TIMEOUT_MS,
    clock: systemClock,
    logger: createLogger({ ...config.log, level: 'silent', secrets: secretsOf(config, process.env) }),
    metrics: noMetrics,
  })
  try {
    return await nonceAt((await endpoints.view()).ask, address, 'latest')
  } finally {
    endpoints.close()
  }
}

function configured(chainId: number, what: string): { config: Config; chain: Config['chains'][number] } {
  const config = loadConfig(process.env)
  const chain = config.chains.find((each) => each.chainId === chainId)
  if (chain !== undefined) return { config, chain }
  const detail = `Chain ${chainId} is not in the configuration, from which follows ${what}. Run this with the daemon's configuration.`
  throw new HoldfastError('INVALID_CONFIG', detail)
}

async function who(pool: Pool, chainId: number): Promise<string> {
  const holder = await leaseHolder(pool, `anchor:${chainId}`)
  return holder
    ? `${holder.owner} anchors on chain ${chainId}; it acts at its next look, within its poll interval.`
    : `No daemon anchors on chain ${chainId} now; it is done when one starts.`
}

async function findAnchor(pool: Pool, id: number): Promise<Anchor> {
  const anchor = await readAnchor(pool, id)
  if (anchor === null)
    throw new HoldfastError('NOT_FOUND', `There is no anchor ${id}; see \`holdfast anchors list\`.`)
  return anchor
}

function chainOf(text: string | undefined): number | null {
  return text === undefined ? null : whole('--chain', text)
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (/^\d{1,15}$/.test(text) && value > 0 && Number.isSafeInteger(value)) return value
  throw new HoldfastError('INVALID_REQUEST', `${name} takes a number from 1, got ${JSON.stringify(text)}.`)
}

function plainAnchor(anchor: Anchor) {
  const { root, transactionHash, blockHash, ...rest } = anchor
  return {
    ...plain(rest),
    root: toHex(root),
    transactionHash: hex(transactionHash),
    blockHash: hex(blockHash),
  }
}

function plainAttempt(attempt: Attempt) {
  const { raw: _raw, hash, blockHash, ...rest } = attempt
  return { ...plain(rest), hash: toHex(hash), blockHash: hex(blockHash) }
}

/** Times as RFC 3339, wei as decimal text. */
function plain(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Date ? value.toISOString() : typeof value === 'bigint' ? value.toString() : value,
    ]),
  )
}

function hex(bytes: Buffer | null): string | null {
  return bytes === null ? null : toHex(bytes)
}
