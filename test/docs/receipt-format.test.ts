import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PUBLISHED_REGISTRY, parseReceipt } from 'holdfast-client'
import { MAX_ANCHORS, MAX_PATH_LENGTH, MAX_RECEIPT_LENGTH } from 'holdfast-client/format'
import { ANCHORED_TOPIC, anchoredAtCall, anchoredTopics } from 'holdfast-client/verify/registry-calls'
import { describe, expect, it } from 'vitest'
import {
  changed,
  startVectorChain,
  type VectorEndpoint,
  vectors,
} from '../../clients/typescript/test/support/vector-chain.ts'
import { MAX_JSON_DEPTH } from '../../src/core/canonical.ts'
import { keccakHex, publisher, registryAddress, registryInterface } from '../verify/make-receipt.ts'

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

  it('states the limits, the registry and the calls that the code and the contract have', () => {
    expect(page).toContain(`together must not be longer than ${MAX_PATH_LENGTH}`)
    expect(page).toContain(`array of 1 to ${MAX_ANCHORS} objects`)
    expect(page).toContain(`more than ${MAX_RECEIPT_LENGTH.toLocaleString('en')} characters`)
    expect(page).toContain(`deeper than ${MAX_JSON_DEPTH} levels`)
    expect(page).toContain(PUBLISHED_REGISTRY)
    expect(PUBLISHED_REGISTRY).toBe(registryAddress)
    const root = keccakHex('root')
    expect(page).toContain(ANCHORED_TOPIC)
    expect(anchoredTopics(publisher, root)).toEqual(
      registryInterface.encodeFilterTopics('Anchored', [publisher, root]),
    )
    const call = registryInterface.encodeFunctionData('anchoredAt', [publisher, root])
    expect(anchoredAtCall(publisher, root)).toBe(call)
    expect(page).toContain(`data \`${call.slice(0, 10)}\``)
  })

  const python = spawnSync('python3', ['-c', 'from Crypto.Hash import keccak'])
  it.skipIf(python.status !== 0)('holds a Python verifier that decides as the vectors say', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-page-'))
    try {
      const script = join(folder, 'check_receipt.py')
      writeFileSync(script, /```python\n(.*?)```/s.exec(page)![1]!)
      const run = async (receipt: unknown, endpoints: VectorEndpoint[] = [[]]) => {
        const chain = await startVectorChain(endpoints)
        const file = join(folder, 'receipt.json')
        writeFileSync(file, typeof receipt === 'string' ? receipt : JSON.stringify(receipt))
        const { execFile } = await import('node:child_process')
        try {
          return await new Promise<number>((done) => {
            const child = execFile('python3', ['-O', script, file, chain.urls[0]!])
            child.once('exit', (code) => done(code ?? -1))
          })
        } finally {
          await chain.close()
        }
      }
      for (const receipt of vectors.receipts) expect(await run(receipt)).toBe(0)
      for (const one of vectors.invalid.filter(({ reason }) => reason === 'path' || reason === 'chain')) {
        if ('options' in one || one.name.includes('leaf number') || one.name.includes('leaf count')) continue
        // One question does not decide about an unknown transaction.
        expect(await run(changed(one as never)), one.name).toBe(one.name === 'another transaction' ? 2 : 1)
      }
      expect(await run(vectors.receipts[0], [{ down: true }])).toBe(2)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
