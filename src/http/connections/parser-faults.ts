import { HoldfastError } from '../../core/errors.ts'

/** An error of Node's HTTP parser or of its clock, or one of ours. */
export type ConnectionFault = Error & { code?: string; rawPacket?: Buffer; bytesParsed?: number }

/** The end of a request line; what stands before it may be the end of an earlier body. */
const REQUEST_LINE = /([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S{1,2048}) HTTP\/1\.[01]\r?$/
const LONGEST_LINE = 8192

/**
 * What the client is told of it.
 * @param allowed the methods of a path; undefined where there is nothing
 */
export function problemOfFault(
  fault: ConnectionFault,
  allowed: (path: string) => string[] | undefined,
): HoldfastError {
  if (fault instanceof HoldfastError) return fault
  const cause = fault
  switch (fault.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HoldfastError('TOO_SLOW', 'The request did not arrive in time; send it again.', { cause })
    case 'HPE_HEADER_OVERFLOW':
      return new HoldfastError('HEADERS_TOO_LARGE', 'The headers are larger than 16 KiB.', { cause })
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new HoldfastError('PAYLOAD_TOO_LARGE', 'The chunk extensions are too large.', { cause })
    case 'HPE_INVALID_VERSION':
    case 'HPE_PAUSED_H2_UPGRADE':
      return new HoldfastError('HTTP_VERSION_NOT_SUPPORTED', 'Send HTTP/1.1.', { cause })
    case 'HPE_INVALID_METHOD':
      return ofMethod(fault, allowed) ?? notHttp(cause)
    default:
      return notHttp(cause)
  }
}

export function methodNotAllowed(method: string, methods: readonly string[]): HoldfastError {
  const allow = methods.join(', ')
  return new HoldfastError('METHOD_NOT_ALLOWED', `${method} is not possible here; ${allow} is.`, { allow })
}

export function nothingAt(url: string): HoldfastError {
  return new HoldfastError('NOT_FOUND', `There is nothing at ${url.split('?')[0]!.slice(0, 200)}.`)
}

/** The parser knows some forty methods; a request line with another is read here. */
function ofMethod(
  { rawPacket, bytesParsed = 0 }: ConnectionFault,
  allowed: (path: string) => string[] | undefined,
): HoldfastError | undefined {
  if (rawPacket === undefined) return undefined
  const start = rawPacket.lastIndexOf(0x0a, Math.max(0, bytesParsed - 1)) + 1
  const end = rawPacket.indexOf(0x0a, bytesParsed)
  if (end < 0 || end - start > LONGEST_LINE) return undefined
  const [, method, target] = REQUEST_LINE.exec(rawPacket.toString('latin1', start, end)) ?? []
  if (method === undefined || target === undefined) return undefined
  const path = target.split('?')[0]!
  const methods = allowed(path)
  return methods === undefined ? nothingAt(path) : methodNotAllowed(method.slice(-20), methods)
}

function notHttp(cause: Error): HoldfastError {
  return new HoldfastError('INVALID_REQUEST', 'This is not an HTTP/1.1 request.', { cause })
}
