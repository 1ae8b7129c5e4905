import { readFileSync } from 'node:fs'
import { parseStrictJson } from '../core/canonical.ts'
import { HoldfastError } from '../core/errors.ts'
import { type VerifyResult, verifyReceipt } from '../verify/verify-receipt.ts'

type Options = {
  rpc?: string[]
  registry?: string
  publisher?: string
  record?: string
  hash?: string
  json?: boolean
}

const DEV_CHAIN = { chainId: 31337, rpc: 'http://127.0.0.1:8545' }

/** Checks a receipt with nothing but an RPC endpoint. Sets the exit status: 0 valid, 1 not valid, 2 could not be told. */
export async function verify(receipt: string, options: Options): Promise<void> {
  const rpc = options.rpc ?? process.env.HOLDFAST_RPC_URL?.split(',')
  const result = await verifyReceipt(receiptText(receipt), {
    rpc: (chainId) => rpc ?? (chainId === DEV_CHAIN.chainId ? DEV_CHAIN.rpc : undefined),
    expect: {
      ...(options.registry === undefined ? {} : { registry: options.registry }),
      ...(options.publisher === undefined ? {} : { publisher: options.publisher }),
    },
    ...(options.record === undefined ? {} : { record: parseStrictJson(readText(options.record)) }),
    ...(options.hash === undefined ? {} : { hash: options.hash }),
  })
  console.log(options.json ? JSON.stringify(result, null, 2) : describe(result))
  process.exitCode = result.valid ? 0 : result.conclusive ? 1 : 2
}

/** The argument itself when it is JSON, or else the file (`-`: standard input) of that name. */
function receiptText(argument: string): string {
  return argument.trimStart().startsWith('{') ? argument : readText(argument)
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new HoldfastError('INVALID_REQUEST', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}

function describe({ valid, conclusive, hash, checks, anchors, stated }: VerifyResult): string {
  const lines = checks.map(({ name, ok, detail }) => `${ok ? '  ok  ' : ' FAIL '} ${name}: ${detail}`)
  if (stated.length > 0) {
    lines.push('', 'Stated by Holdfast, not proven by the chain:')
    lines.push(...stated.map(({ field, value }) => `       ${field}: ${value}`))
  }
  const verdict = valid
    ? `VALID: ${hash} existed at ${
        anchors
          .filter(({ ok }) => ok)
          .map(({ blockTime }) => blockTime)
          .sort()[0]
      }.`
    : conclusive
      ? 'NOT VALID: see the lines marked FAIL.'
      : 'UNKNOWN: a chain could not be read; try again or give another --rpc.'
  return [...lines, '', verdict].join('\n')
}
