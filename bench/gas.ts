import { randomBytes } from 'node:crypto'
import { appendIntake } from '../src/store/intake/intake.ts'
import { figureOf } from './figure.ts'
import { preload } from './filled-store.ts'
import { hashSource } from './hashes.ts'
import { openStage, untilTrue } from './stage.ts'
import type { Figure } from './tree.ts'

/** Published figure of the Ethereum Attestation Service's `timestamp()`, and of a bare event with sender and root. */
const PEERS = {
  storage: { name: 'EAS timestamp()', gas: 45_869 },
  event: { name: 'an event with sender and root', gas: 23_180 },
}

/** Gas of the whole anchoring transaction, for one record and for many. */
export async function gas({ quick }: { quick: boolean }): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const mode of ['storage', 'event'] as const) {
    const stage = await openStage()
    try {
      const daemon = await stage.startDaemon({ mode })
      for (const n of [1, quick ? 1_000_000 : 10_000_000]) {
        if (n === 1) {
          const chunk = { sourceId: stage.sourceId, hashes: randomBytes(32) }
          await appendIntake(stage.pool, [chunk])
        } else await preload(stage, hashSource(10_000, 16), n)
        await daemon.tick()
        const newest =
          'select state, gas_used::float8 as gas, leaf_count::float8 as n from anchor order by id desc limit 1'
        const mined = async () => {
          const { rows } = await stage.pool.query(newest)
          return rows[0]?.n === n && rows[0].gas !== null
        }
        await untilTrue('the anchor to be mined', mined)
        const { rows } = await stage.pool.query(newest)
        figures.push(
          figureOf({
            bench: 'gas',
            metric: mode === 'storage' ? 'anchor, whole transaction' : 'announce, whole transaction',
            unit: 'gas',
            n,
            holdfast: [rows[0].gas],
            reference: { name: PEERS[mode].name, values: [PEERS[mode].gas] },
            better: 'less',
          }),
        )
      }
    } finally {
      await stage.close()
    }
  }
  return figures
}
