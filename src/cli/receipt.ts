import { HoldfastError } from '../core/errors.ts'
import { parseHash, toHex } from '../core/hash.ts'
import { clientFor, LOOK_PATIENCE_MS } from './daemon-client.ts'
import { complain, print } from './terminal.ts'

type Options = { url: string; key?: string; wait?: string | true }

const DEFAULT_WAIT_S = 300
const TEMPORARY_FAILURE = 75

/** Prints the receipt as JSON on standard output; anything else it says goes to standard error. */
export async function fetchReceipt(argument: string | undefined, options: Options): Promise<void> {
  const { text, waitSeconds } = whatToFetch(argument, options.wait)
  const hash = toHex(parseHash(text))
  if (waitSeconds !== null) {
    complain(`Waiting for the receipt, up to ${waitSeconds} s.`)
    const deadlineMs = waitSeconds * 1000
    const receipt = await clientFor(options).waitFor(hash, 'anchored', { deadlineMs })
    print(JSON.stringify(receipt, null, 2))
    return
  }
  const answer = await clientFor(options, LOOK_PATIENCE_MS).receipt(hash)
  if (!answer) throw new HoldfastError('UNKNOWN_RECORD', `${hash} is unknown to ${options.url}.`)
  if (answer.kind === 'receipt') {
    print(JSON.stringify(answer.receipt, null, 2))
    return
  }
  complain(
    `Not anchored yet: ${answer.status}, to be anchored by ${answer.anchorBy ?? 'no configured chain'}.`,
  )
  process.exitCode = TEMPORARY_FAILURE
}

/** `--wait HASH` gives the hash where seconds may stand; it is meant as it reads. */
function whatToFetch(
  argument: string | undefined,
  wait: string | true | undefined,
): { text: string; waitSeconds: number | null } {
  const isSeconds = typeof wait === 'string' && /^\d{1,9}(\.\d+)?$/.test(wait) && Number(wait) > 0
  if (argument === undefined) {
    if (typeof wait === 'string' && !isSeconds) return { text: wait, waitSeconds: DEFAULT_WAIT_S }
    throw new HoldfastError('INVALID_REQUEST', 'Name the hash: holdfast receipt <hash>.')
  }
  if (typeof wait === 'string' && !isSeconds) {
    const detail = `--wait takes a number of seconds, got ${JSON.stringify(wait)}.`
    throw new HoldfastError('INVALID_REQUEST', detail)
  }
  const seconds = wait === true ? DEFAULT_WAIT_S : Number(wait)
  return { text: argument, waitSeconds: wait === undefined ? null : seconds }
}
