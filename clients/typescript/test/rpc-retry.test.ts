import { RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { faultKindOf, type Patience, patient } from 'holdfast-client/rpc-retry'
import { describe, expect, it } from 'vitest'

const answered = (code: number, message: string, status = 200) =>
  new RpcAnswerError(code, message, undefined, { status })
const limited = answered(-32005, 'limit exceeded')

describe('a failed call', () => {
  it.each([
    ['limited', answered(-32005, 'daily request count exceeded')],
    ['limited', answered(429, 'Too Many Requests')],
    ['limited', answered(-32000, 'Your app has exceeded its compute units per second capacity')],
    ['limited', answered(-32000, 'rate limit reached')],
    ['limited', answered(-32000, 'whatever', 429)],
    ['limited', new RpcTransportError('answered HTTP 429', { sent: true, status: 429 })],
    ['flaky', answered(-32000, 'header not found')],
    ['flaky', answered(-32000, 'missing trie node 0xab (path )')],
    ['flaky', answered(-32603, 'Internal error')],
    ['flaky', answered(-32000, 'request timed out')],
    ['flaky', answered(-32000, 'anything', 502)],
    ['flaky', new RpcTransportError('answered HTTP 502', { sent: true, status: 502 })],
    ['flaky', new RpcTransportError('not JSON-RPC', { sent: true, status: 200 })],
    ['flaky', new RpcTransportError('ECONNRESET', { sent: true })],
    ['silent', new RpcTransportError('no answer', { sent: true, timedOut: true })],
    ['away', new RpcTransportError('ECONNREFUSED', { sent: false })],
    ['refused', new RpcTransportError('answered HTTP 403', { sent: true, status: 403 })],
    ['refused', answered(-32601, 'the method eth_foo does not exist')],
    ['refused', answered(-32602, 'invalid params')],
    ['refused', answered(3, 'execution reverted')],
    ['refused', answered(-39001, 'Unknown block')],
    ['refused', answered(-32000, 'insufficient funds for gas * price + value')],
    ['refused', answered(-32000, 'exceeds block gas limit')],
    ['refused', answered(-32000, 'nonce too low')],
    ['refused', answered(-32000, 'txpool is full')],
    ['refused', new Error('ours')],
  ] as const)('is %s: %s', (kind, error) => {
    expect(faultKindOf(error)).toBe(kind)
  })
})

describe('patience', () => {
  function failingTimes(times: number, error: Error, patience: Partial<Patience> = {}) {
    const pauses: number[] = []
    let asked = 0
    const ask = patient(
      async () => {
        asked += 1
        if (asked <= times) throw error
        return 'answer'
      },
      {
        repeats: { limited: 3, flaky: 3 },
        leftMs: () => Infinity,
        longestPauseMs: 5_000,
        pause: async (ms) => void pauses.push(ms),
        random: () => 1,
        ...patience,
      },
    )
    return { call: () => ask('eth_blockNumber', []), pauses, asked: () => asked }
  }

  it('repeats a call after pauses that double', async () => {
    const { call, pauses } = failingTimes(3, limited)
    expect(await call()).toBe('answer')
    expect(pauses).toEqual([250, 500, 1_000])
  })

  it('waits as long as the endpoint asks for', async () => {
    const error = new RpcAnswerError(-32005, 'limit', undefined, { retryAfterMs: 1_500 })
    const { call, pauses } = failingTimes(1, error)
    await call()
    expect(pauses).toEqual([1_500])
  })

  it('ends when the endpoint asks for more than it is worth', async () => {
    const error = new RpcAnswerError(-32005, 'limit', undefined, { retryAfterMs: 60_000 })
    const { call, asked } = failingTimes(1, error)
    await expect(call()).rejects.toBe(error)
    expect(asked()).toBe(1)
  })

  it('ends after its repeats, or when the time is over', async () => {
    const many = failingTimes(9, limited)
    await expect(many.call()).rejects.toBe(limited)
    expect(many.asked()).toBe(4)
    const late = failingTimes(9, limited, { leftMs: () => 100 })
    await expect(late.call()).rejects.toBe(limited)
    expect(late.asked()).toBe(1)
  })

  it('is not spent on answers that would be the same again', async () => {
    const { call, asked } = failingTimes(1, answered(-32601, 'no such method'))
    await expect(call()).rejects.toThrow('no such method')
    expect(asked()).toBe(1)
  })
})
