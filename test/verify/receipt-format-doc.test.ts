import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MAX_JSON_DEPTH } from '../../src/core/canonical.ts'
import { MAX_PATH_LENGTH } from '../../src/core/receipt.ts'
import { MAX_ANCHORS, parseReceipt } from '../../src/verify/parse-receipt.ts'
import { anchoredTopics } from '../../src/verify/registry.ts'
import { CLOCK_SKEW_MS } from '../../src/verify/verify-receipt.ts'
import vectors from '../vectors/receipt.json' with { type: 'json' }
import { keccakHex, publisher } from './make-receipt.ts'

const page = readFileSync(new URL('../../docs/receipt-format.md', import.meta.url), 'utf8')

describe('docs/receipt-format.md', () => {
  it('shows a golden record and its receipt', () => {
    const [record, receipt] = [...page.matchAll(/```json\n(.*?)```/gs)].map((block) => block[1] as string)
    expect(JSON.parse(record!)).toEqual(vectors.records[6])
    expect(parseReceipt(receipt)).toEqual(vectors.receipts[1])
    expect(page).toContain(vectors.hashes[6]!.slice(2))
  })

  it('names every key of a receipt', () => {
    const [receipt] = vectors.receipts
    const keys = [
      ...Object.keys(receipt!).filter((key) => key !== 'batch'),
      ...Object.keys(receipt!.batch).map((key) => `batch.${key}`),
      ...Object.keys(receipt!.anchors[0]!).map((key) => `….${key}`),
    ]
    for (const key of keys) expect(page).toContain(`| \`${key}\` |`)
  })

  it('states the limits and the event that the code has', () => {
    expect(page).toContain(`together must not be longer than ${MAX_PATH_LENGTH}`)
    expect(page).toContain(`array of 1 to ${MAX_ANCHORS} objects`)
    expect(page).toContain(`by more than ${CLOCK_SKEW_MS / 1000} seconds`)
    expect(page).toContain(`deeper than ${MAX_JSON_DEPTH} levels`)
    expect(page).toContain(anchoredTopics(publisher, keccakHex('root'))[0])
  })
})
