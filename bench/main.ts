/** `npm run -s bench -- NAME [--quick]`: rows for the reader on standard error, a JSON line a figure on standard output. */
import { endToEnd } from './end-to-end.ts'
import { note } from './figure.ts'
import { ingestBulk } from './ingest-bulk.ts'
import { ingestNdjson } from './ingest-ndjson.ts'
import { ingestSingle } from './ingest-single.ts'
import { noteLoad } from './stage.ts'
import { type Figure, tree } from './tree.ts'

const BENCHES: Record<string, (options: { quick: boolean }) => Promise<Figure[]>> = {
  tree,
  'ingest-bulk': ingestBulk,
  'ingest-single': ingestSingle,
  'ingest-ndjson': ingestNdjson,
  'end-to-end': endToEnd,
}

const words = process.argv.slice(2)
const quick = words.includes('--quick')
const [name, ...more] = words.filter((word) => word !== '--quick')
const chosen = name === 'all' ? Object.keys(BENCHES) : [name ?? '']
if (more.length > 0 || chosen.some((each) => !(each in BENCHES))) {
  note(`usage: npm run -s bench -- NAME [--quick], NAME one of ${Object.keys(BENCHES).join(' ')} all`)
  process.exit(2)
}
for (const each of chosen) {
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
