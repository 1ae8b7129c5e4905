import {
  askFinalized,
  DEFAULT_CONFIRMATIONS,
  type FinalizedAnswer,
  finalityOf,
} from 'holdfast-client/finality'
import { RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { describe, expect, it } from 'vitest'

const block = (number: number) => ({
  number: `0x${number.toString(16)}`,
  hash: `0x${'ab'.repeat(32)}`,
  timestamp: '0x64',
})
const told = (number: number): FinalizedAnswer => ({
  kind: 'told',
  block: { number, hash: `0x${'ab'.repeat(32)}`, timestamp: 100, transactions: null },
})
const failing = (error: Error) => async () => {
  throw error
}

describe('an endpoint asked for its final block', () => {
  it('tells it', async () => {
    expect(await askFinalized(async () => block(36))).toEqual(told(36))
  })

  it.each([
    ['null', null],
    ['genesis', block(0)],
    ['something else', {}],
    ['text', 'none'],
  ])('cannot tell it when it answers %s', async (_, answer) => {
    expect(await askFinalized(async () => answer)).toMatchObject({ kind: 'cannot_tell' })
  })

  it.each([
    [-32000, 'finalized block not found'],
    [-39001, 'Unknown block'],
    [-32603, 'Internal error'],
    [-32601, 'the method does not exist'],
    [-32602, 'invalid argument 0: hex string without 0x prefix'],
    [-32700, 'Parse error'],
    [-32000, 'header not found'],
    [0, 'unsupported tag'],
    [-32001, 'Resource not found.'],
    [4200, 'nope'],
  ])('cannot tell it when it answers %i %s', async (code, message) => {
    const answer = await askFinalized(failing(new RpcAnswerError(code, message)))
    expect(answer).toEqual({ kind: 'cannot_tell', said: `${code}: ${message}` })
  })

  it.each([
    [new RpcAnswerError(-32005, 'limit exceeded')],
    [new RpcAnswerError(-32000, 'too many requests, slow down')],
    [new RpcAnswerError(-32000, 'busy', undefined, { status: 429 })],
    [new RpcTransportError('ECONNRESET', { sent: true })],
    [new RpcTransportError('ECONNREFUSED', { sent: false })],
    [new RpcTransportError('no answer within 5 ms', { sent: true, timedOut: true })],
    [new RpcTransportError('answered HTTP 503', { sent: true, status: 503 })],
    [new RpcTransportError('not JSON-RPC', { sent: true, status: 200 })],
  ])('has not answered when it fails for a passing reason: %s', async (error) => {
    expect(await askFinalized(failing(error))).toMatchObject({ kind: 'no_answer' })
  })

  it('cannot tell it when the question itself is refused by HTTP', async () => {
    const error = new RpcTransportError('answered HTTP 400', { sent: true, status: 400 })
    expect(await askFinalized(failing(error))).toMatchObject({ kind: 'cannot_tell' })
  })
})

describe('a block is final', () => {
  const cannotTell: FinalizedAnswer = { kind: 'cannot_tell', said: 'null' }
  const noAnswer: FinalizedAnswer = { kind: 'no_answer', said: 'ECONNRESET' }

  it('by the configured confirmations, which need no tag', () => {
    expect(finalityOf({ head: 100, confirmations: 12, answer: null })).toEqual({
      number: 88,
      by: 'confirmations',
    })
    expect(finalityOf({ head: 100, confirmations: 0, answer: null }).number).toBe(100)
    expect(finalityOf({ head: 5, confirmations: 12, answer: null }).number).toBe(-1)
  })

  it('by the tag, and never past the head', () => {
    expect(finalityOf({ head: 100, answer: told(36) })).toEqual({ number: 36, by: 'tag' })
    expect(finalityOf({ head: 100, answer: told(10 ** 9) }).number).toBe(100)
  })

  it('by 64 confirmations on a chain whose tag tells nothing', () => {
    expect(DEFAULT_CONFIRMATIONS).toBe(64)
    expect(finalityOf({ head: 100, answer: cannotTell })).toEqual({ number: 36, by: 'fallback' })
    expect(finalityOf({ head: 60, answer: cannotTell }).number).toBe(-1)
  })

  it('by what the tag told earlier, once it told anything: confirmations could be too soon', () => {
    for (const answer of [cannotTell, noAnswer]) {
      expect(finalityOf({ head: 1_000, answer, told: 40 })).toEqual({ number: 40, by: 'earlier' })
    }
  })

  it('not by what it told of a longer chain', () => {
    expect(finalityOf({ head: 30, answer: cannotTell, told: 40 })).toEqual({ number: -1, by: 'fallback' })
  })

  it('not by an endpoint that fails for a passing reason, until it has failed for ten minutes', () => {
    expect(finalityOf({ head: 100, answer: noAnswer })).toEqual({ number: -1, by: 'nothing' })
    expect(finalityOf({ head: 100, answer: noAnswer, unansweredMs: 599_999 }).by).toBe('nothing')
    expect(finalityOf({ head: 100, answer: noAnswer, unansweredMs: 600_000 })).toEqual({
      number: 36,
      by: 'fallback',
    })
  })
})
