import { createQueue, type Patience } from './patience.ts'
import { type ChaosStage, PUBLISHER } from './stage.ts'

/** What befalls the chain itself. Each resolves true once it has happened, false when there was no occasion for it. */
export type ChainFaults = {
  /**
   * Replaces the newest blocks, of which one holds an anchor's transaction: at depth 1 as soon as it is there, deeper
   * once a daemon has noted it as mined, and hands out receipts that name the block.
   */
  reorg(depth: number, again: boolean): Promise<boolean>
  /** A base fee of at least `gwei` and above what a waiting transaction offers, so that a block passes it by. */
  outbid(gwei: number): Promise<boolean>
  /** The node forgets a transaction that waits. */
  dropTransaction(): Promise<boolean>
  /** A transaction is passed by until the daemon outbids it, and then the older one is mined all the same. */
  mineOlderBid(): Promise<boolean>
  /** No block for this long. */
  haltBlocks(ms: number): Promise<boolean>
}

type Waiting = { hash: string; nonce: number; maxFeePerGas: bigint }
type Rivals = { hashes: string[]; oldest: string }
type Block = { number: number; hash: string; transactions: { hash: string; from: string }[] }

/** Longer than `bumpAfterMs` and a change of leader. */
const OUTBID_WITHIN_MS = 10_000

const outOfReachOf = ({ maxFeePerGas }: Waiting): bigint => (maxFeePerGas * 5n) / 4n
const quantity = (value: number | bigint) => `0x${value.toString(16)}`

export function createChainFaults(
  stage: Pick<ChaosStage, 'rpc' | 'database' | 'setMining'>,
  patience: Patience,
  note: (line: string) => void,
): ChainFaults {
  const { rpc, database } = stage
  /** Nonces whose transaction has been struck: no anchor is passed by for ever. */
  const struck = new Set<number>()
  /** Older bids that were mined: a reorg would give the newer ones another chance. */
  const olderMined = new Set<string>()
  const reorgsInTurn = createQueue()
  const haltsInTurn = createQueue()
  let isHalted = false
  const blockNumber = async () => Number(await rpc('eth_blockNumber'))

  async function blockAt(number: number): Promise<Block> {
    const block = (await rpc('eth_getBlockByNumber', [quantity(number), true])) as Omit<Block, 'number'>
    return { ...block, number }
  }

  /** A transaction in the pool that nothing has befallen yet; it counts as struck from now on. */
  async function waitingTransaction(): Promise<Waiting | null> {
    const pool = (await rpc('txpool_content')) as {
      pending: Record<string, Record<string, { hash: string; nonce: string; maxFeePerGas: string }>>
    }
    const waiting = Object.values(pool.pending).flatMap((of) => Object.values(of))
    const found = waiting.find(({ nonce }) => !struck.has(Number(nonce)))
    if (found === undefined) return null
    struck.add(Number(found.nonce))
    return { hash: found.hash, nonce: Number(found.nonce), maxFeePerGas: BigInt(found.maxFeePerGas) }
  }

  /** True when the next block has passed it by: it may have been mined while the fee was being set. */
  async function passBy(waiting: Waiting, baseFee: bigint): Promise<boolean> {
    const head = await blockNumber()
    await rpc('anvil_setNextBlockBaseFeePerGas', [quantity(baseFee)])
    const next = await patience.until(async () => ((await blockNumber()) > head ? true : null))
    return next !== null && (await rpc('eth_getTransactionReceipt', [waiting.hash])) === null
  }

  async function outbidOne(gwei: number): Promise<true | null> {
    const waiting = await waitingTransaction()
    if (waiting === null) return null
    const planned = BigInt(gwei) * 10n ** 9n
    const enough = outOfReachOf(waiting)
    return (await passBy(waiting, planned > enough ? planned : enough)) ? true : null
  }

  async function mineOlderBidOnce(): Promise<true | null> {
    const waiting = await waitingTransaction()
    if (waiting === null) return null
    const tooDear = outOfReachOf(waiting)
    if (!(await passBy(waiting, tooDear))) return null
    const deadline = performance.now() + OUTBID_WITHIN_MS
    const rivals = await patience.until(async () => {
      if (performance.now() > deadline) return 'none'
      if (isHalted) return null
      // Left alone, base fees fall by an eighth a block.
      await rpc('anvil_setNextBlockBaseFeePerGas', [quantity(tooDear)])
      return rivalBids(waiting.nonce)
    })
    if (rivals === null || rivals === 'none') return null
    for (const hash of rivals.hashes) await rpc('anvil_dropTransaction', [hash])
    await rpc('anvil_setNextBlockBaseFeePerGas', ['0x1'])
    try {
      await rpc('eth_sendRawTransaction', [rivals.oldest])
    } catch (error) {
      // The daemon was quicker, and has sent another again.
      note(`no older bid: ${(error as Error).message}`)
      return null
    }
    olderMined.add(rivals.hashes[0]!)
    await rpc('evm_mine')
    return (await rpc('eth_getTransactionReceipt', [rivals.hashes[0]])) === null ? null : true
  }

  /** What was signed for the nonce, oldest first, once that is more than one transaction; none once it is spent. */
  async function rivalBids(nonce: number): Promise<Rivals | 'none' | null> {
    if (Number(await rpc('eth_getTransactionCount', [PUBLISHER.address, 'latest'])) > nonce) return 'none'
    try {
      const { rows } = await database.pool.query<{ hash: Buffer; raw: Buffer }>(
        'select hash, raw from attempt where nonce = $1 order by id',
        [nonce],
      )
      if (rows.length < 2) return null
      return {
        hashes: rows.map(({ hash }) => `0x${hash.toString('hex')}`),
        oldest: `0x${rows[0]!.raw.toString('hex')}`,
      }
    } catch {
      // The database may be away right now, as planned.
      return null
    }
  }

  /** The newest blocks, oldest first, when one of them holds an anchor. */
  async function blocksWithAnAnchor(depth: number): Promise<Block[] | null> {
    const head = await blockNumber()
    if (head <= depth + 2) return null
    const numbers = Array.from({ length: depth }, (_, i) => head - depth + 1 + i)
    const blocks = await Promise.all(numbers.map(blockAt))
    const publisher = PUBLISHER.address.toLowerCase()
    const hit = blocks.filter(({ transactions }) => transactions.some(({ from }) => from === publisher))
    if (hit.some(({ transactions }) => transactions.some(({ hash }) => olderMined.has(hash)))) return null
    if (hit.length === 0 || (depth > 1 && !(await isNoted(hit)))) return null
    return blocks
  }

  async function isNoted(blocks: readonly Block[]): Promise<boolean> {
    const hashes = blocks.map(({ hash }) => Buffer.from(hash.slice(2), 'hex'))
    try {
      const { rowCount } = await database.pool.query('select 1 from anchor where block_hash = any($1)', [
        hashes,
      ])
      return rowCount !== 0
    } catch {
      // The database may be away right now, as planned.
      return false
    }
  }

  /** `again`: the first new block holds the transactions, or the oldest ones that were signed for their nonces. */
  async function reorgOnce(depth: number, again: boolean): Promise<true | null> {
    const blocks = await blocksWithAnAnchor(depth)
    if (blocks === null) return null
    const kept: [string, number][] = []
    for (const { hash } of again ? blocks.flatMap(({ transactions }) => transactions) : []) {
      const raw = (await oldestBid(hash)) ?? (await rpc('eth_getRawTransactionByHash', [hash]))
      if (typeof raw === 'string') kept.push([raw, 0])
    }
    try {
      // So that even what was outbid by a spike fits into the block.
      if (kept.length > 0) await rpc('anvil_setNextBlockBaseFeePerGas', ['0x1'])
      await rpc('anvil_reorg', [depth, kept])
    } catch (error) {
      note(`no reorg: ${(error as Error).message}`)
      return null
    }
    // A block that came meanwhile was replaced in the place of the oldest.
    const newest = blocks.at(-1)!
    return (await blockAt(newest.number)).hash === newest.hash ? null : true
  }

  /** The first attempt on the nonce of a mined one: it may win although it was outbid. */
  async function oldestBid(hash: string): Promise<string | null> {
    try {
      const { rows } = await database.pool.query<{ raw: Buffer }>(
        `select old.raw from attempt mined join attempt old using (chain_id, address, nonce)
         where mined.hash = $1 order by old.id limit 1`,
        [Buffer.from(hash.slice(2), 'hex')],
      )
      return rows[0] === undefined ? null : `0x${rows[0].raw.toString('hex')}`
    } catch {
      // The database may be away right now, as planned.
      return null
    }
  }

  return {
    reorg: (depth, again) =>
      reorgsInTurn(async () => (await patience.until(() => reorgOnce(depth, again))) === true),
    outbid: async (gwei) => (await patience.until(() => outbidOne(gwei))) === true,
    dropTransaction: async () =>
      (await patience.until(async () => {
        const waiting = await waitingTransaction()
        if (waiting === null) return null
        return (await rpc('anvil_dropTransaction', [waiting.hash])) === null ? null : true
      })) === true,
    mineOlderBid: async () => (await patience.until(mineOlderBidOnce)) === true,
    haltBlocks: (ms) =>
      haltsInTurn(async () => {
        if (patience.isOver()) return false
        isHalted = true
        await stage.setMining(false)
        const head = await blockNumber()
        await patience.pause(ms)
        const halted = (await blockNumber()) === head
        await stage.setMining(true)
        isHalted = false
        return halted
      }),
  }
}
