import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HoldfastError } from '../../src/core/errors.ts'
import { recordHash } from '../../src/core/record-hash.ts'
import { createNdjsonDecoder } from '../../src/http/records/ndjson.ts'

const RECORD_LIMIT = 256 * 1024

type Line = { text: string; hash: Buffer | null }

const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const written = fc.tuple(hex, fc.boolean(), fc.boolean()).map(([hash, prefix, upper]) => {
  const digits = hash.toString('hex')
  return { hash, text: `${prefix ? '0x' : ''}${upper ? digits.toUpperCase() : digits}` }
})
const line: fc.Arbitrary<Line> = fc.oneof(
  written.map(({ hash, text }) => ({ hash, text: `"${text}"` })),
  written.map(({ hash, text }) => ({ hash, text: `{"hash":"${text}"}` })),
  written.map(({ hash, text }) => ({ hash, text: ` { "hash" :\t"${text}" } ` })),
  written.map(({ hash, text }) => ({
    hash,
    text: `"\\u00${text.charCodeAt(0).toString(16)}${text.slice(1)}"`,
  })),
  fc.record({ a: fc.string({ unit: 'grapheme' }), b: fc.integer() }).map((record) => ({
    hash: recordHash(record),
    text: JSON.stringify({ record }),
  })),
  fc.constantFrom('', ' ', '\t ').map((text) => ({ hash: null, text })),
)

/** Feeds the bytes in pieces of these sizes; gives the hashes, and the error if one came. */
function decode(bytes: Buffer, sizes: readonly number[], hashesPerSlice = 3) {
  const hashes: Buffer[] = []
  const firstLines: number[] = []
  const take = (slice: { hashes: Uint8Array; firstLine: number }) => {
    firstLines.push(slice.firstLine)
    for (let at = 0; at < slice.hashes.length; at += 32) {
      hashes.push(Buffer.from(slice.hashes.subarray(at, at + 32)))
    }
  }
  const decoder = createNdjsonDecoder({ hashesPerSlice, recordLimitBytes: RECORD_LIMIT, onSlice: take })
  let error: HoldfastError | undefined
  try {
    let at = 0
    for (let i = 0; at < bytes.length; i++) {
      const size = sizes.length === 0 ? bytes.length : sizes[i % sizes.length]!
      decoder.push(bytes.subarray(at, at + size))
      at += size
    }
    decoder.end()
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown
    error = thrown
  }
  const rest = decoder.rest()
  if (rest) take(rest)
  return { hashes, firstLines, error }
}

const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 8 })
const lineBreak = fc.constantFrom('\n', '\r\n')

it('gives the hash of every line in order, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      lineBreak,
      fc.boolean(),
      sizes,
      (lines, end, last, cut) => {
        const bytes = Buffer.from(lines.map(({ text }) => text).join(end) + (last ? end : ''))
        const { hashes, error } = decode(bytes, cut)
        expect(error).toBeUndefined()
        const expected = lines.flatMap(({ hash }) => (hash ? [hash.toString('hex')] : []))
        expect(hashes.map((hash) => hash.toString('hex'))).toEqual(expected)
      },
    ),
    { numRuns: 400 },
  )
})

it('says in which line each slice starts', () => {
  const text = ['', '"{0}"', '', '"{1}"', '"{2}"', '', '"{3}"'].map((each) =>
    each.replace(/\{(\d)\}/, (_, n) => String(n).repeat(64)),
  )
  expect(decode(Buffer.from(text.join('\n')), []).firstLines).toEqual([2, 7])
})

const bad: [string, string, string][] = [
  ['a hash of 31 bytes', `"${'ab'.repeat(31)}"`, 'INVALID_HASH'],
  ['a letter that is not hex', `"${'zz'.repeat(32)}"`, 'INVALID_HASH'],
  ['a hash with something behind it', `"${'ab'.repeat(32)}" 1`, 'INVALID_JSON'],
  ['two hashes in a line', `"${'ab'.repeat(32)}""${'ab'.repeat(32)}"`, 'INVALID_JSON'],
  ['an object left open', `{"hash":"${'ab'.repeat(32)}"`, 'INVALID_JSON'],
  ['a hash without quotes', 'ab'.repeat(32), 'INVALID_JSON'],
  ['a number', '1', 'INVALID_REQUEST'],
  ['null', 'null', 'INVALID_REQUEST'],
  ['a list', '[]', 'INVALID_REQUEST'],
  ['an unknown key', '{"hsah":"x"}', 'INVALID_REQUEST'],
  ['two kinds at once', `{"hash":"${'ab'.repeat(32)}","record":1}`, 'INVALID_REQUEST'],
  ['a duplicate key', '{"record":{"a":1,"a":2}}', 'INVALID_RECORD'],
  ['a number that a double cannot hold', '{"record":9007199254740993}', 'INVALID_RECORD'],
]

it.each(bad)('stops at %s, after the lines before it', (_name, text, code) => {
  const good = createHash('sha256').update('x').digest('hex')
  for (const cut of [[], [7]]) {
    const bytes = Buffer.from(`"${good}"\n\n"${good}"\n${text}\n"${good}"\n`)
    const { hashes, error } = decode(bytes, cut)
    expect(error).toMatchObject({ code, context: { line: 4 } })
    expect(hashes).toHaveLength(2)
  }
})

it('tells the place within the body, and refuses bytes that are not UTF-8', () => {
  const { error } = decode(Buffer.from('\n\n{"record": }'), [])
  expect(error!.message).toMatch(/^Line 3, column 12/)
  const wrong = Buffer.concat([Buffer.from('{"record":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])
  expect(decode(wrong, []).error).toMatchObject({
    code: 'INVALID_ENCODING',
    message: 'Byte 12 of line 1 does not belong to valid UTF-8; JSON is sent as UTF-8.',
  })
})

it('refuses a line that is too long as soon as it is, also when it never ends', () => {
  const long = Buffer.from(`"${'a'.repeat(RECORD_LIMIT + 64)}"`)
  for (const body of [long, Buffer.concat([long, Buffer.from('\n')])]) {
    const { error } = decode(body, [65_536])
    expect(error).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', context: { line: 1 } })
  }
})
