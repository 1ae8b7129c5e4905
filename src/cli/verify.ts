import { createReadStream } from 'node:fs'
import {
  hashFile,
  type RpcEndpoints,
  type Verification,
  type VerifySubject,
  verifyReceipt,
} from 'holdfast-client'
import { parseStrictJson } from '../core/canonical.ts'
import { HoldfastError } from '../core/errors.ts'
import { createSecondPathCheck } from '../verify/check-path.ts'
import { readTextFile, unreadable } from './read-file.ts'
import { print, printPainted } from './terminal.ts'
import { describeVerification } from './verification-text.ts'

type Options = {
  rpc?: string[]
  require?: string
  registry?: string[]
  publisher?: string[]
  record?: string
  file?: string
  hash?: string
  final?: boolean
  by?: string
  json?: boolean
}

const DEV_CHAIN = { chainId: 'eip155:31337', rpc: 'http://127.0.0.1:8545' }
/** Values for single chains, and those under `*` for every other chain. */
type ByChain = Record<string, string[]>

/** Checks a receipt with nothing but RPC endpoints. Sets the exit status: 0 valid, 1 not valid, 2 not decided. */
export async function verify(receipt: string, options: Options): Promise<void> {
  const result = await verifyReceipt(receiptText(receipt), {
    rpc: endpointsOf(options.rpc),
    require: options.require === undefined ? 1 : wholeNumber('--require', options.require),
    registry: byChain('--registry', options.registry),
    publisher: byChain('--publisher', options.publisher),
    final: options.final,
    by: options.by,
    alsoCheckPath: createSecondPathCheck(),
    ...(await subjectOf(options)),
  })
  if (options.json) print(JSON.stringify(result, null, 2))
  else printPainted(describeVerification(result, process.stdout.isTTY))
  process.exitCode = exitStatusOf(result)
}

function exitStatusOf({ valid, conclusive }: Verification): number {
  return valid ? 0 : conclusive ? 1 : 2
}

async function subjectOf({ record, file, hash }: Options): Promise<VerifySubject> {
  if ([record, file, hash].filter((one) => one !== undefined).length > 1) {
    throw new HoldfastError(
      'INVALID_REQUEST',
      'Give one of --file, --record and --hash: each says what the receipt must be for.',
    )
  }
  if (hash !== undefined) return { hash }
  if (record !== undefined) return { record: parseStrictJson(readTextFile(record)) }
  if (file === undefined) return {}
  try {
    return { hash: await hashFile(createReadStream(file)) }
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

/** The argument itself when it is JSON, or else the text of the file (`-`: standard input). */
function receiptText(argument: string): string {
  return argument.trimStart().startsWith('{') ? argument : readTextFile(argument)
}

/** `--rpc URL` serves whichever chain it answers for; `--rpc eip155:1=URL` only that one. */
function endpointsOf(given: string[] | undefined): RpcEndpoints {
  const named = byChain('--rpc', given ?? process.env.HOLDFAST_RPC_URL?.split(','))
  if (named === undefined) return { [DEV_CHAIN.chainId]: DEV_CHAIN.rpc }
  if (Object.keys(named).every((key) => key === '*')) return named['*'] as string[]
  return (chainId) => named[`eip155:${chainId}`] ?? named['*']
}

function byChain(flag: string, given: string[] | undefined): ByChain | undefined {
  if (given === undefined) return undefined
  const named: ByChain = {}
  for (const text of given) {
    const [, chain, value] = /^(eip155:\d+)=(.*)$/s.exec(text) ?? [undefined, '*', text]
    if (value === undefined || value === '')
      throw new HoldfastError('INVALID_REQUEST', `${flag} ${text} names nothing.`)
    named[chain as string] = [...(named[chain as string] ?? []), value]
  }
  return named
}

function wholeNumber(flag: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new HoldfastError(
    'INVALID_REQUEST',
    `${flag} takes a whole number from 1, got ${JSON.stringify(text)}.`,
  )
}
