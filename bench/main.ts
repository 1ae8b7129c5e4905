/** `npm run -s bench -- NAME [--quick]`: rows for the reader on standard error, a JSON line a figure on standard output. */
import { endToEnd } from './end-to-end.ts'
import { note } from './figure.ts'
import { type FilledStore, fillStore } from './filled-store.ts'
import { findable } from './findable.ts'
import { gas } from './gas.ts'
import { ingestBulk } from './ingest-bulk.ts'
import { ingestNdjson } from './ingest-ndjson.ts'
import { ingestSingle } from './ingest-single.ts'
import { receipt } from './receipt.ts'
import { seal } from './seal.ts'
import { space } from './space.ts'
import { closeStages, noteLoad } from './stage.ts'
import { type Figure, tree } from './tree.ts'
import { verify } from './verify.ts'

/** Made by the first benchmark that needs it. */
let filled: Promise<FilledStore> | undefined

type OverStore = (options: { quick: boolean; store: FilledStore }) => Promise<Figure[]>

function overStore(bench: OverStore): (options: { quick: boolean }) => Promise<Figure[]> {
  return async ({ quick }) => {
    filled ??= fillStore({ quick })
    return bench({ quick, store: await filled })
  }
}

const BENCHES: Record<string, (options: { quick: boolean }) => Promise<Figure[]>> = {
  tree,
  'ingest-bulk': ingestBulk,
  'ingest-single': ingestSingle,
  'ingest-ndjson': ingestNdjson,
  seal: overStore(seal),
  findable,
  receipt: overStore(receipt),
  space: overStore(space),
  verify,
  gas,
  'end-to-end': endToEnd,
}

const words = process.argv.slice(2)
const quick = words.includes('--quick')
const names = words.filter((word) => word !== '--quick')
const chosen = names.includes('all') ? Object.keys(BENCHES) : names
if (chosen.length === 0 || chosen.some((each) => !(each in BENCHES))) {
  note(`usage: npm run -s bench -- NAME [--quick], NAME one or more of ${Object.keys(BENCHES).join(' ')} all`)
  process.exit(2)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closeStages().finally(() => process.exit(1)))
}
try {
  for (const each of chosen) await run(each)
} finally {
  await (await filled)?.stage.close()
}

async function run(each: string): Promise<void> {
  note(`\n${each}${quick ? ' (quick)' : ''}`)
  noteLoad()
  for (const figure of await BENCHES[each]!({ quick })) {
    console.log(JSON.stringify(figure))
    const ratio = `${figure.ratio.toFixed(2)} x`.padStart(10)
    const values = `${figure.holdfast.toLocaleString('en')} ${figure.unit}, against ${figure.reference.value.toLocaleString('en')}`
    note(
      `${ratio}  ${figure.metric}, n = ${figure.n.toLocaleString('en')}: ${values} (${figure.reference.name})`,
    )
  }
}
