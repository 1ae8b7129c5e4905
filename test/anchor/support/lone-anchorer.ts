import { writeSync } from 'node:fs'
import { createAnchorer } from '../../../src/anchor/anchorer.ts'
import { privateKeySigner } from '../../../src/anchor/signers/signer.ts'
import type { ChainConfig } from '../../../src/core/chain-config.ts'
import { noMetrics } from '../../../src/core/metrics.ts'
import { systemClock } from '../../../src/core/ports.ts'
import { anchorTree } from '../../../src/merkle/anchor-tree.ts'
import { openDatabase } from '../../../src/store/connection/database.ts'
import { DEV_ACCOUNTS } from '../../support/anvil.ts'
import { recordingLogger } from './recording-logger.ts'

/**
 * An anchorer in a process of its own, which ticks all the time and stops itself at the instant named by its third
 * argument, once. Arguments: database URL, chain as JSON, instant, the lease's time to live in ms. Prints what it logs.
 */
const [url, chain, instant, leaseTtlMs] = process.argv.slice(2) as [string, string, string, string]
let stopped = false
const anchorer = createAnchorer({
  chain: JSON.parse(chain) as ChainConfig,
  pool: openDatabase({ url, poolSize: 4, name: 'lone' }).pool,
  signer: privateKeySigner(DEV_ACCOUNTS[0].privateKey),
  anchorTree,
  sealPending: async () => {},
  clock: systemClock,
  logger: recordingLogger((entry) => writeSync(1, `${JSON.stringify(entry)}\n`)),
  metrics: noMetrics,
  owner: 'lone',
  leaseTtlMs: Number(leaseTtlMs),
  faultPoint(name) {
    if (name !== instant || stopped) return
    stopped = true
    process.kill(process.pid, 'SIGSTOP')
  },
})
await anchorer.start()
for (;;) {
  await anchorer.tick().catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 50))
}
