/** How the bytes of a JSON-RPC request reach an endpoint: `fetch` here, another where fetch lacks something. */

export type TransportAnswer = {
  /** HTTP status. */
  status: number
  /** The header `Retry-After`. */
  retryAfter: string | null
  text: string
}

/**
 * Posts `body` as JSON and reads the whole answer, whatever its status.
 * Rejects when `signal` aborts, with {@link AnswerTooLongError} past `maxBytes`, and with the library's error, whose
 * `code` (or its cause's) tells a refused connection from a broken one.
 */
export type Transport = (
  body: string,
  limits: { signal: AbortSignal; maxBytes: number },
) => Promise<TransportAnswer>

/** The answer is longer than the caller wants to hold. */
export class AnswerTooLongError extends Error {
  override readonly name = 'AnswerTooLongError'
  readonly code = 'its answer is too long'
}

/**
 * User and password of the URL become a Basic header; redirects are refused.
 * @throws TypeError for a URL that is not http or https
 */
export function fetchTransport(rpcUrl: string): Transport {
  const { url, authorization } = splitCredentials(rpcUrl)
  const headers = {
    'content-type': 'application/json',
    ...(authorization === null ? {} : { authorization }),
  }
  return async (body, { signal, maxBytes }) => {
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      text: await boundedText(response, maxBytes),
    }
  }
}

/**
 * @returns the URL without its user and password, and the value of the header `authorization` that they make
 * @throws TypeError for a URL that is not http or https
 */
export function splitCredentials(text: string): { url: string; authorization: string | null } {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new TypeError('the endpoint is not an http or https URL')
  }
  if (url.username === '' && url.password === '') return { url: url.href, authorization: null }
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  url.username = ''
  url.password = ''
  return { url: url.href, authorization: `Basic ${base64Of(pair)}` }
}

function base64Of(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

/** A lying endpoint may stream for ever: the reading ends at `maxBytes`, counted after decompression. */
async function boundedText(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return ''
  // Drops a byte-order mark.
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > maxBytes) {
      await reader.cancel().catch(() => undefined)
      throw new AnswerTooLongError('its answer is too long')
    }
    text += decoder.decode(value, { stream: true })
  }
}
