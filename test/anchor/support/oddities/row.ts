/** Pieces that rows of the catalogue are made of. */
import { type Answer, asItIs, type Call, type Oddity, type Reply } from './odd-node.ts'

/** What comes of an anchor behind an odd node. */
export type Outcome = {
  /** Whether the root is seen in a block. Otherwise a part of the reason, and nothing is lost once the node is sane. */
  anchored: true | RegExp
  /** Which word makes the block final; false when none does while the node is odd. */
  final: 'tag' | 'fallback' | false
  /** What an auditor's verifier says through the same node. */
  verdict: 'anchored' | 'unknown' | 'contradicted'
}

export const AS_USUAL: Outcome = { anchored: true, final: 'tag', verdict: 'anchored' }

export type Row = {
  name: string
  /** Where it was seen, or what it is like. */
  seen: string
  odd: Oddity
  /** Default: as if nothing were odd. */
  expect?: Partial<Outcome>
}

type Matches = (call: Call) => boolean

export const asked =
  (...methods: string[]): Matches =>
  ({ method }) =>
    methods.includes(method)
export const isFinalizedTag: Matches = ({ method, params }) =>
  method === 'eth_getBlockByNumber' && params[0] === 'finalized'
export const isBlockByNumber: Matches = ({ method, params }) =>
  method === 'eth_getBlockByNumber' && /^0x/.test(String(params[0]))
export const isReceipt = asked('eth_getTransactionReceipt')
export const isSending = asked('eth_sendRawTransaction')

export const error = (code: number, message: string, data?: unknown): Reply => ({
  body: errorText(code, message, data),
})

function errorText(code: number, message: string, data?: unknown): string {
  const fields = data === undefined ? { code, message } : { code, message, data }
  return JSON.stringify({ jsonrpc: '2.0', id: null, error: fields })
}

/** Answers the matching questions so, and the others as the node does. */
export const when =
  (matches: Matches, reply: Reply | ((call: Call) => Reply | Promise<Reply>)): Oddity =>
  () =>
  (call) =>
    matches(call) ? (typeof reply === 'function' ? reply(call) : reply) : asItIs(call)

/**
 * Answers one question in `n` so, at random, and never two in a row: a fixed rhythm could always meet the same question.
 */
export const oneIn =
  (n: number, reply: Reply): Oddity =>
  () => {
    let failed = false
    return (call) => {
      failed = !failed && Math.random() < 1 / (n - 1)
      return failed ? reply : asItIs(call)
    }
  }

/** Answers so beyond that many questions in any second. */
export const limited =
  (perSecond: number, reply: Reply | (() => Reply)): Oddity =>
  () => {
    let recent: number[] = []
    return (call) => {
      const now = performance.now()
      recent = recent.filter((at) => now - at < 1_000)
      if (recent.length >= perSecond) return typeof reply === 'function' ? reply() : reply
      recent.push(now)
      return asItIs(call)
    }
  }

/** Changes the text of every answer. */
export const written =
  (write: (answer: Answer, call: Call) => Reply): Oddity =>
  () =>
  async (call) =>
    write(await call.forward(), call)

/** Changes the result of the matching questions; null stays null. */
export const edited = (matches: Matches, edit: (result: unknown, call: Call) => unknown): Oddity =>
  when(matches, async (call) => {
    const answer = await call.forward()
    const isThere = answer.result !== undefined && answer.result !== null
    return { body: JSON.stringify(isThere ? { ...answer, result: edit(answer.result, call) } : answer) }
  })

/** Changes fields of an object. */
export const withFields =
  (fields: Record<string, unknown>) =>
  (result: unknown): unknown => ({ ...(result as object), ...fields })

/** Changes every text in a value. */
export function deep(value: unknown, edit: (text: string, key: string) => unknown, key = ''): unknown {
  if (typeof value === 'string') return edit(value, key)
  if (Array.isArray(value)) return value.map((each) => deep(each, edit, key))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, deep(each, edit, name)]))
}

const QUANTITIES = new Set(
  'number timestamp blockNumber gasUsed status effectiveGasPrice baseFeePerGas reward oldestBlock gasLimit'.split(
    ' ',
  ),
)
const QUANTITY_METHODS = new Set(
  'eth_chainId eth_blockNumber eth_getBalance eth_getTransactionCount eth_gasPrice eth_maxPriorityFeePerGas eth_estimateGas'.split(
    ' ',
  ),
)

/** Spells every quantity in the answers otherwise. */
export const quantitiesAs = (spell: (quantity: bigint) => unknown): Oddity =>
  edited(
    () => true,
    (result, { method }) =>
      deep(result, (text, key) => {
        const isQuantity = key === '' ? QUANTITY_METHODS.has(method) : QUANTITIES.has(key)
        return isQuantity && /^0x[0-9a-f]+$/.test(text) ? spell(BigInt(text)) : text
      }),
  )
