/** What a node asks for when it refuses a transaction. Pure: wordings in, numbers out. */
import { parseUnits } from 'ethers'
import { classifyWording } from '../rpc/send-outcome.ts'

export type Demand = {
  /** The gas limit is too low, or higher than a block or the node takes. */
  gas: 'low' | 'high' | null
  /** Transactions of type 2 are not taken. */
  legacyOnly: boolean
  /** Least tip, in wei. */
  tip: bigint | null
  /** Least gas price that is paid in effect, in wei. */
  price: bigint | null
  /** Least fee cap, in wei. */
  cap: bigint | null
  /** The cap is a block's base fee, which the next block changes. */
  momentary: boolean
}

const GAS_LOW =
  /intrinsic gas|floor data gas|gas is too low|minimal cost of the transaction|out of gas|gas required exceeds|not enough gas|gas limit too low/i
const GAS_HIGH = /gas ?limit|supplied gas is beyond/i

/** Whether a gas limit was refused as too low or too high; null when the message is of something else. */
export function gasRefusal(message: string): 'low' | 'high' | null {
  if (GAS_LOW.test(message)) return 'low'
  return GAS_HIGH.test(message.replace(/tx\.gasLimit/gi, '')) ? 'high' : null
}

const TYPE = [
  /\b(transaction|tx)[ _]?type\b.*(not (yet )?(supported|enabled|allowed|accepted|activated)|unsupported|invalid|rejected|unknown)/i,
  /(not supported|unsupported|invalid|unknown|unexpected|unrecogni[sz]ed)[ _:,]*(transaction|tx)[ _]?type/i,
  /(eip-?1559|dynamic ?fee|typed) ?(transactions?|tx)?.*(not (yet )?(supported|enabled|allowed|activated|in)|unsupported|disabled)/i,
  /only (accepts? |supports? )?legacy|txtypenotsupported|invalidtxtype/i,
  // From before typed transactions: their first byte is no list.
  /rlp: expected|expected input list|(invalid|decod\w*) .*\brlp\b|\brlp\b.*(invalid|decod|failed)/i,
]

/** Where a number stands that is the least a node takes, in wei unless it says gwei. The largest of them counts. */
const NUMBER = String.raw`['"(]?(\d+(?:\.\d+)?)['")]?\s*(gwei|wei)?`
const LEAST = [
  // What was offered < what is wanted.
  String.raw`\d['")]?\s*(?:wei|gwei)?\s*<\s*[a-z ]*${NUMBER}`,
  String.raw`(?:minimum|minimal|\bmin\b|at least|needed|required|requires?|wanted|expected|should be|higher than|lower than|less than|below)[^0-9<]{0,48}?${NUMBER}`,
  String.raw`${NUMBER}\s+(?:is )?(?:needed|required|minimum)`,
].map((wording) => new RegExp(wording, 'gi'))
const LONGEST_MESSAGE = 1_000
/** Cosmos chains name the whole fee, gas limit times price. */
const TOTAL = /minimum global fee \(\d+\D*?<\s*(\d+)|got: \d+\w*,? required: (\d+)/i
const BELOW_BASE_FEE =
  /(less|lower) than (the )?(block )?base ?fee|below (the )?(block |current )?base ?fee|MaxFeePerGas too low/i
const BASE_FEE = /base ?fee:? \(?(\d+)/i
const ABOUT_TIP = /\btips?\b|priorityfee|priority fee per/i
const ABOUT_CAP = /fee ?cap|max ?fee/i

/**
 * @param text what the node said
 * @param gasLimit of the transaction that it refused
 */
export function demandOf(text: string, gasLimit: number): Demand {
  const message = text.slice(0, LONGEST_MESSAGE)
  const gas = gasRefusal(message)
  const legacyOnly = TYPE.some((wording) => wording.test(message))
  const none = { gas, legacyOnly, tip: null, price: null, cap: null, momentary: false }
  if (gas !== null || legacyOnly || !isUnderpriced(message)) return none
  const total = TOTAL.exec(message)
  if (total !== null) {
    const fee = BigInt(total[1] ?? total[2]!)
    return { ...none, price: (fee + BigInt(gasLimit) - 1n) / BigInt(gasLimit) }
  }
  const baseFee = BELOW_BASE_FEE.test(message) ? BASE_FEE.exec(message) : null
  if (baseFee !== null) return { ...none, cap: BigInt(baseFee[1]!), momentary: true }
  const named = leastOf(message)
  if (ABOUT_TIP.test(message)) return { ...none, tip: named }
  return ABOUT_CAP.test(message) ? { ...none, cap: named } : { ...none, price: named }
}

function isUnderpriced(message: string): boolean {
  const outcome = classifyWording(message)
  return outcome.kind === 'refused' && outcome.reason === 'underpriced'
}

function leastOf(message: string): bigint | null {
  // Neither addresses nor gas limits nor a base fee that is told besides are wanted.
  const text = message.replace(/0x[0-9a-f]+|tx\.gasLimit = \d+|base ?fee:? \(?\d+\)?/gi, '')
  const found = LEAST.flatMap((wording) => [...text.matchAll(wording)])
    .map((match) => weiOf(match[1]!, match[2]))
    .filter((wei) => wei !== null)
  let most: bigint | null = null
  for (const wei of found) if (most === null || wei > most) most = wei
  return most
}

function weiOf(amount: string, unit: string | undefined): bigint | null {
  if (unit?.toLowerCase() === 'gwei') return parseUnits(amount, 'gwei')
  return /^\d+$/.test(amount) ? BigInt(amount) : null
}
