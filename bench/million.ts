/**
 * The acceptance run: 1,000,000 hashes pushed as octets over HTTP are accepted, sealed and anchored by one
 * transaction, and 1,000 of their receipts, chosen at random, verify against the chain without the daemon's word.
 * `npm run million` prints the times and exits 0 only if all of it held.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { createHoldfastClient, verifyReceipt } from 'holdfast-client'
import { note } from './figure.ts'
import { openStage, untilSealed } from './stage.ts'

const RECORDS = 1_000_000
const SAMPLES = 1_000

const stage = await openStage()
try {
  const daemon = await stage.startDaemon()
  const client = createHoldfastClient({ url: daemon.url, apiKey: stage.apiKey })
  const hashes = randomBytes(RECORDS * 32)
  const hashAt = (n: number) => hashes.subarray(n * 32, n * 32 + 32)

  const { result: pushed, seconds: pushSeconds } = await timed(() => client.push(hashes))
  const { seconds: tickSeconds } = await timed(async () => {
    // A tick waits a few seconds at most, and anchors what is sealed by then.
    await untilSealed(stage.pool)
    await daemon.tick()
  })
  const picked = Array.from({ length: SAMPLES }, () => hashAt(randomInt(RECORDS)))
  await client.waitFor(picked[0]!, 'anchored', { pollMs: 20 })
  const { result: receipts, seconds: fetchSeconds } = await timed(async () => {
    const all = []
    for await (const answer of client.receipts(picked)) all.push(answer)
    return all
  })

  const transactions = new Set<string>()
  const { result: valid, seconds: verifySeconds } = await timed(async () => {
    let count = 0
    for (const [i, receipt] of receipts.entries()) {
      const hash = picked[i]!.toString('hex')
      const verdict = await verifyReceipt(receipt, { rpc: () => stage.rpcUrl, hash })
      if (verdict.valid) count++
      if ('anchors' in receipt) for (const anchor of receipt.anchors) transactions.add(anchor.transactionHash)
    }
    return count
  })

  note(`accepted            ${pushed.accepted} hashes in ${pushSeconds.toFixed(2)} s`)
  note(`sealed and sent     ${tickSeconds.toFixed(2)} s after the last answer`)
  note(`anchored by         ${transactions.size} transaction`)
  note(`receipts            ${receipts.length} fetched in ${fetchSeconds.toFixed(2)} s`)
  note(`valid on the chain  ${valid} of ${SAMPLES}, checked in ${verifySeconds.toFixed(2)} s`)
  note(`daemon's memory     ${Math.round(daemon.peakMemory() / 2 ** 20)} MB at most`)
  const held = pushed.accepted === RECORDS && transactions.size === 1 && valid === SAMPLES
  process.exitCode = held ? 0 : 1
} finally {
  await stage.close()
}

async function timed<T>(run: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const start = performance.now()
  const result = await run()
  return { result, seconds: (performance.now() - start) / 1000 }
}
