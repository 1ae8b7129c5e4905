import { describe, expect, it } from 'vitest'
import {
  keccakHex,
  publisher,
  receiptOf,
  registryAddress,
  someHashes,
} from '../../../test/verify/make-receipt.ts'
import { MAX_ANCHORS } from '../src/format.ts'
import { HoldfastError, parseReceipt, type Receipt } from '../src/index.ts'

const anchor = {
  chainId: 'eip155:31337',
  registry: registryAddress,
  publisher,
  root: keccakHex('root'),
  path: [keccakHex('sibling')],
  transactionHash: keccakHex('transaction'),
  blockNumber: 12,
  blockHash: keccakHex('block'),
  blockTime: '2026-01-31T09:30:00.000Z',
  status: 'mined',
} as const
const good = receiptOf(someHashes(5), 2, [{ ...anchor, path: [...anchor.path] }])

function refusalOf(input: unknown): string {
  try {
    parseReceipt(input)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    expect(error.code).toBe('INVALID_RECEIPT')
    return error.message
  }
  throw new Error('was accepted')
}

/** `good` with the value at a JSON pointer replaced; undefined removes it. */
function withValue(pointer: string, value: unknown): unknown {
  const copy = structuredClone(good) as Receipt
  const keys = pointer.split('/').slice(1)
  const last = keys.pop() as string
  // biome-ignore lint/suspicious/noExplicitAny: a document about to be broken has no type
  const holder = keys.reduce<any>((inner, key) => inner[key], copy)
  if (value === undefined) delete holder[last]
  else holder[last] = value
  return copy
}

describe('a receipt document', () => {
  it('is read from its text and from its value alike', () => {
    expect(parseReceipt(JSON.stringify(good))).toEqual(good)
    expect(parseReceipt(JSON.stringify(good, null, 2))).toEqual(good)
    expect(parseReceipt(structuredClone(good))).toEqual(good)
  })

  const faults: [pointer: string, value: unknown, what: RegExp][] = [
    ['/format', 'holdfast-receipt/2', /holdfast-receipt\/1/],
    ['/tree', 'holdfast-keccak-v2', /holdfast-keccak-v1/],
    ['/hash', undefined, /must be there/],
    ['/hash', null, /must be there as string/],
    ['/hash', good.hash.toUpperCase(), /lower-case/],
    ['/hash', good.hash.slice(2), /0x and 64/],
    ['/hash', `${good.hash}00`, /64/],
    ['/leaf', `${good.leaf.slice(0, -1)}g`, /hex/],
    ['/receivedAt', '2026-01-31', /RFC 3339/],
    ['/receivedAt', '2026-01-31T09:30:00Z', /milliseconds/],
    ['/receivedAt', '2026-01-31T09:30:00.000+00:00', /UTC/],
    ['/receivedAt', '2026-02-30T09:30:00.000Z', /RFC 3339/],
    ['/receivedAt', '2026-01-31t09:30:00.000z', /RFC 3339/],
    ['/receivedAt', '2026-01-31T24:00:00.000Z', /RFC 3339/],
    ['/batch/id', 123, /must be there as string/],
    ['/batch/id', '0123', /decimal/],
    ['/batch/leafIndex', -1, /integer/],
    ['/batch/leafIndex', 1.5, /integer/],
    ['/batch/leafIndex', '2', /must be there as number/],
    ['/batch/leafIndex', 5, /less than leafCount \(5\)/],
    ['/batch/leafCount', 2 ** 53, /2\^53/],
    ['/batch/more', 1, /not a key/],
    ['/path', Array(65).fill(good.leaf), /longer than 64/],
    ['/path/0', '0x', /64/],
    ['/anchors', [], /at least one/],
    [
      '/anchors/1',
      { ...good.anchors[0], status: 'finalized' },
      /registry, publisher and root of \/anchors\/0/,
    ],
    ['/anchors', Array(MAX_ANCHORS + 1).fill(good.anchors[0]), /more than/],
    ['/anchors/0/chainId', '31337', /eip155/],
    ['/anchors/0/chainId', 'eip155:031337', /eip155/],
    ['/anchors/0/chainId', 'eip155:99999999999999999999', /eip155/],
    ['/anchors/0/registry', registryAddress.toLowerCase(), /checksum/],
    ['/anchors/0/publisher', publisher.replace('F', 'f'), /checksum/],
    ['/anchors/0/publisher', `${publisher}0`, /address/],
    ['/anchors/0/path', Array(62).fill(good.leaf), /together with \/path/],
    ['/anchors/0/blockNumber', Number.NaN, /integer/],
    ['/anchors/0/blockNumber', -0, /integer/],
    ['/anchors/0/blockHash', '0x12', /64/],
    ['/anchors/0/status', 'sealed', /mined/],
    ['/anchors/0/note', 'x', /not a key/],
    ['/extra', 1, /not a key/],
  ]
  it.each(faults)('is refused with %s = %j', (pointer, value, what) => {
    const message = refusalOf(withValue(pointer, value))
    expect(message.startsWith(`${pointer}: `), message).toBe(true)
    expect(message).toMatch(what)
  })

  it('is refused with a repeated key, whichever of the two would be right', () => {
    const text = JSON.stringify(good)
    expect(refusalOf(text.replace('"hash":', `"hash":"${good.hash}","hash":`))).toMatch(
      /"hash" is there twice/,
    )
    expect(refusalOf(text.replace('"hash":', `"hash":"${good.hash}","\\u0068ash":`))).toMatch(/twice/)
  })

  it('is refused with __proto__ as a key at any level', () => {
    const text = JSON.stringify(good)
    expect(refusalOf(text.replace('{', '{"__proto__":{},'))).toMatch(/__proto__/)
    expect(refusalOf(text.replace('"batch":{', '"batch":{"__proto__":{},'))).toMatch(/__proto__/)
  })

  it('is refused when it is no object at all', () => {
    for (const input of [
      null,
      undefined,
      1,
      [],
      '',
      '[]',
      'null',
      '{',
      `${JSON.stringify(good)}x`,
      new Map(),
    ]) {
      expect(refusalOf(input).length).toBeGreaterThan(0)
    }
  })
})
