import { createHoldfastClient } from '../client/client.ts'
import { HoldfastError } from '../core/errors.ts'
import { apiKeyFrom } from './api-key.ts'

type Options = { url: string; key?: string; wait?: string | true }

const DEFAULT_WAIT_S = 300

/** Prints the receipt as JSON on standard output; anything else it says goes to standard error. */
export async function fetchReceipt(hash: string, options: Options): Promise<void> {
  const client = createHoldfastClient({ url: options.url, ...apiKeyFrom(options) })
  if (options.wait !== undefined) {
    const seconds = options.wait === true ? DEFAULT_WAIT_S : Number(options.wait)
    if (!(seconds > 0)) throw new HoldfastError('INVALID_REQUEST', '--wait takes a number of seconds.')
    console.log(JSON.stringify(await client.waitForReceipt(hash, { timeoutMs: seconds * 1000 }), null, 2))
    return
  }
  const answer = await client.receipt(hash)
  if (!answer)
    throw new HoldfastError(
      'UNKNOWN_RECORD',
      `${hash} is unknown, or was received less than about a second ago.`,
    )
  if (answer.kind === 'receipt') {
    console.log(JSON.stringify(answer.receipt, null, 2))
    return
  }
  console.error(
    `Not anchored yet: ${answer.status}, to be anchored by ${answer.anchorBy ?? 'no configured chain'}.`,
  )
  process.exitCode = 75
}
