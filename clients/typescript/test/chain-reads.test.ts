import { type Block, blockAt, receiptOf } from 'holdfast-client/chain-reads'
import { bigQuantityOf, bytes32Of, MalformedAnswerError, quantityOf } from 'holdfast-client/rpc-values'
import { describe, expect, it } from 'vitest'

const HASH = `0x${'ab'.repeat(32)}` as const
const BLOCK_HASH = `0x${'cd'.repeat(32)}` as const
const ADDRESS = `0x${'Ef'.repeat(20)}`
const answering = (answer: unknown) => async () => answer

describe('a quantity', () => {
  it.each([
    ['0x10', 16n],
    ['0X1F', 31n],
    ['0x00ff', 255n],
    ['0xABCDEF', 0xabcdefn],
    [16, 16n],
    ['16', 16n],
    [' 0x10 ', 16n],
    [0, 0n],
  ])('may be %j', (value, expected) => {
    expect(bigQuantityOf(value)).toBe(expected)
  })

  it.each([
    ['0x'],
    [''],
    ['1a'],
    ['-1'],
    [-1],
    [1.5],
    [2 ** 53],
    [null],
    [true],
    ['0xg'],
    [`0x${'1'.repeat(65)}`],
  ])('is not %j', (value) => {
    expect(() => bigQuantityOf(value)).toThrow('not a quantity')
  })

  it('past what a double holds is refused where a number is wanted', () => {
    expect(() => quantityOf('0x20000000000000')).toThrow('too large')
  })
})

describe('32 bytes', () => {
  it('may be in upper case, and without 0x', () => {
    for (const text of [HASH.toUpperCase(), HASH.slice(2), ` ${HASH}\n`]) expect(bytes32Of(text)).toBe(HASH)
  })

  it('are no more and no fewer', () => {
    for (const text of [HASH.slice(0, -2), `${HASH}00`, '0x', null, 5]) {
      expect(() => bytes32Of(text)).toThrow('not 32 bytes')
    }
  })
})

describe('a block', () => {
  const block = { number: '0x5', hash: BLOCK_HASH, timestamp: '0x64', transactions: [HASH] }
  const read: Block = { number: 5, hash: BLOCK_HASH, timestamp: 100, transactions: [HASH] }

  it('is read, however it is spelt', async () => {
    const odd = {
      number: 5,
      hash: BLOCK_HASH.toUpperCase(),
      timestamp: '100',
      transactions: [{ hash: HASH }],
    }
    for (const answer of [block, odd]) expect(await blockAt(answering(answer), 5)).toEqual(read)
    expect(await blockAt(answering(null), 5)).toBeNull()
  })

  it('is refused in the place of another, or without its parts', async () => {
    for (const answer of [
      { ...block, number: '0x6' },
      { ...block, hash: null },
      { ...block, timestamp: undefined },
      [],
      'x',
    ]) {
      await expect(blockAt(answering(answer), 5)).rejects.toBeInstanceOf(MalformedAnswerError)
    }
  })
})

describe('a receipt', () => {
  const log = { address: ADDRESS, topics: [HASH.toUpperCase()], data: '0x', removed: false }
  const receipt = {
    transactionHash: HASH,
    status: '0x1',
    blockNumber: '0x5',
    blockHash: BLOCK_HASH,
    gasUsed: '0x5208',
    effectiveGasPrice: '0x7',
    logs: [log],
  }
  const read = (changes: object) => receiptOf(answering({ ...receipt, ...changes }), HASH)

  it('is read, however it is spelt', async () => {
    const expected = {
      transactionHash: HASH,
      succeeded: true,
      blockNumber: 5,
      blockHash: BLOCK_HASH,
      gasUsed: 21_000n,
      effectiveGasPrice: 7n,
      l1Fee: null,
      logs: [{ address: ADDRESS.toLowerCase(), topics: [HASH] }],
    }
    expect(await read({})).toEqual(expected)
    const odd = { status: true, blockNumber: '5', gasUsed: 21_000, transactionHash: HASH.toUpperCase() }
    expect(await read(odd)).toEqual(expected)
  })

  it('does not count logs that were removed', async () => {
    for (const removed of [true, 'true', 1]) {
      expect((await read({ logs: [log, { ...log, removed }] }))!.logs).toHaveLength(1)
    }
  })

  it('does not depend on what it says of fees', async () => {
    const odd = { gasUsed: null, effectiveGasPrice: '1.5', l1Fee: 'n/a', l1FeeScalar: '0.684' }
    expect(await read(odd)).toMatchObject({ gasUsed: null, effectiveGasPrice: null, l1Fee: null })
  })

  it('of a transaction in no block is none', async () => {
    expect(await read({ blockHash: null, blockNumber: null })).toBeNull()
    expect(await receiptOf(answering(null), HASH)).toBeNull()
  })

  it.each([
    ['of another transaction', { transactionHash: BLOCK_HASH }],
    ['without a transaction', { transactionHash: undefined }],
    ['with a log of another transaction', { logs: [{ ...log, transactionHash: BLOCK_HASH }] }],
    ['without logs', { logs: null }],
    ['with logs that are lost', { logs: [], logsBloom: `0x${'00'.repeat(255)}01` }],
    ['with a topic cut short', { logs: [{ ...log, topics: ['0xab'] }] }],
    ['with another status', { status: '0x2' }],
  ])('is refused %s', async (_, changes) => {
    await expect(read(changes)).rejects.toBeInstanceOf(MalformedAnswerError)
  })
})
