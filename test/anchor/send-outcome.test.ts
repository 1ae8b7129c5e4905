import { readFileSync } from 'node:fs'
import { Wallet } from 'ethers'
import fc from 'fast-check'
import { createJsonRpc, RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifySendError, combineOutcomes, type SendOutcome } from '../../src/anchor/rpc/send-outcome.ts'
import { DEV_ACCOUNTS, startTestAnvil, type TestAnvil } from '../support/anvil.ts'

type Wording = {
  client: string
  code: number
  message: string
  data?: unknown
  outcome: SendOutcome['kind']
  reason?: string
}
const { wordings } = JSON.parse(
  readFileSync(new URL('../vectors/rpc-wordings.json', import.meta.url), 'utf8'),
) as { wordings: Wording[] }

describe('the wording of', () => {
  it.each(wordings)(
    '$client, "$message" ($code), means $outcome $reason',
    ({ code, message, data, outcome, reason }) => {
      const got = classifySendError(new RpcAnswerError(code, message, data))
      expect(got.kind).toBe(outcome)
      if (got.kind === 'refused') expect(got.reason).toBe(reason)
    },
  )

  it('no answer at all is never a refusal', () => {
    expect(classifySendError(new RpcTransportError('nonce too low', { sent: true })).kind).toBe('unknown')
    expect(classifySendError(new Error('insufficient funds')).kind).toBe('unknown')
  })
})

describe('what several endpoints say', () => {
  const accepted: SendOutcome = { kind: 'accepted' }
  const unknown: SendOutcome = { kind: 'unknown', message: 'timeout' }
  const refused: SendOutcome = { kind: 'refused', reason: 'funds', message: 'no funds' }
  const unsent: SendOutcome = { kind: 'unsent', message: 'ECONNREFUSED' }
  const outcomes = fc.array(fc.constantFrom(accepted, unknown, refused, unsent), { minLength: 1 })

  it('is accepted when one accepts, and refused only when all refuse that got the bytes', () => {
    fc.assert(
      fc.property(outcomes, (all) => {
        const { kind } = combineOutcomes(all)
        expect(kind === 'accepted').toBe(all.includes(accepted))
        const got = all.filter((outcome) => outcome !== unsent)
        expect(kind === 'refused').toBe(got.length > 0 && got.every((outcome) => outcome === refused))
        expect(kind === 'unsent').toBe(got.length === 0)
      }),
    )
  })
})

describe('anvil itself', () => {
  let anvil: TestAnvil
  beforeAll(async () => {
    anvil = await startTestAnvil()
    await anvil.setAutomine(false)
  })
  afterAll(() => anvil.stop())

  const transaction = {
    type: 2,
    chainId: 31337,
    nonce: 0,
    to: DEV_ACCOUNTS[1].address,
    gasLimit: 21_000,
    maxFeePerGas: 10_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
  }

  async function send(changes: object): Promise<SendOutcome> {
    const rpc = createJsonRpc({ url: anvil.url, timeoutMs: 5_000 })
    const raw = await new Wallet(DEV_ACCOUNTS[0].privateKey).signTransaction({ ...transaction, ...changes })
    try {
      await rpc.call('eth_sendRawTransaction', [raw])
      return { kind: 'accepted' }
    } catch (error) {
      return classifySendError(error)
    }
  }

  it('is understood when it refuses', async () => {
    expect(await send({})).toEqual({ kind: 'accepted' })
    expect(await send({})).toEqual({ kind: 'accepted' })
    expect(await send({ maxFeePerGas: 9_000_000_000n })).toMatchObject({ kind: 'refused' })
    expect(await send({ nonce: 1, value: 10n ** 30n })).toMatchObject({ reason: 'funds' })
    expect(await send({ nonce: 1, gasLimit: 20_000 })).toMatchObject({ reason: 'gas' })
    expect(await send({ nonce: 1, chainId: 5 })).toMatchObject({ reason: 'invalid' })
    await anvil.mine()
    expect(await send({ value: 1n })).toMatchObject({ reason: 'nonce_low' })
    await anvil.setNextBaseFee(50_000_000_000n)
    await anvil.mine()
    expect(await send({ nonce: 1 })).toMatchObject({ reason: 'underpriced' })
  })
})
