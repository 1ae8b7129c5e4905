import { inspect } from 'node:util'
import { HoldfastError } from './errors.ts'

/** An error as plain data: it survives structured clone and JSON. */
export type DescribedError = {
  type: string
  code?: string | number
  message: string
  context?: object
  stack?: string
  /** Server's explanation, hint and object, as PostgreSQL names them. */
  detail?: string
  hint?: string
  where?: string
  constraint?: string
  cause?: DescribedError
  /** Members of an AggregateError, at most {@link MOST_MEMBERS}. */
  errors?: DescribedError[]
}

const MOST_LEVELS = 8
const MOST_MEMBERS = 8
const TEXT_FIELDS = ['detail', 'hint', 'where', 'constraint'] as const

/**
 * The one serialiser of errors, for the log and for everything that crosses threads. Keeps type, code, message, stack
 * and the whole chain of causes; leaves out other properties, where RPC libraries attach whole requests. Accepts any
 * thrown value, and returns its own output unchanged. Never throws.
 */
export function describeError(error: unknown): DescribedError {
  return describe(error, 0)
}

function describe(error: unknown, level: number): DescribedError {
  if (isDescribed(error)) return error
  if (!isError(error)) return { type: error === null ? 'null' : typeof error, message: textOf(error) }
  const { code } = error as { code?: unknown }
  const described: DescribedError = { type: String(error.name), message: String(error.message) }
  if (typeof code === 'string' || typeof code === 'number') described.code = code
  const context = contextOf(error)
  if (context !== undefined) described.context = context
  if (typeof error.stack === 'string') described.stack = error.stack
  for (const field of TEXT_FIELDS) {
    const text = (error as unknown as Record<string, unknown>)[field]
    if (typeof text === 'string' && text !== '') described[field] = text
  }
  if (level >= MOST_LEVELS) return described
  if (error.cause !== undefined) described.cause = describe(error.cause, level + 1)
  const { errors } = error as { errors?: unknown }
  if (Array.isArray(errors) && errors.length > 0) {
    described.errors = errors.slice(0, MOST_MEMBERS).map((member) => describe(member, level + 1))
  }
  return described
}

/** A HoldfastError's, by name: a revived one is of another class. */
function contextOf(error: Error): object | undefined {
  const { context } = error as { context?: unknown }
  if (error.name !== HoldfastError.name || typeof context !== 'object' || context === null) return undefined
  return Object.keys(context).length > 0 ? context : undefined
}

/** Also one of another realm, which `instanceof` does not know. */
function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
}

function isDescribed(value: unknown): value is DescribedError {
  if (typeof value !== 'object' || value === null || isError(value)) return false
  const { type, message } = value as Partial<DescribedError>
  return typeof type === 'string' && typeof message === 'string'
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  try {
    return inspect(value, { depth: 2, breakLength: Number.POSITIVE_INFINITY })
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/**
 * The error again, on the far side of a thread: code, stack and causes as they were. It is a HoldfastError no more;
 * ask for its `code`.
 */
export function reviveError(described: DescribedError): Error {
  const { type, message, stack, cause, errors, ...fields } = described
  const error = new Error(message, cause === undefined ? undefined : { cause: reviveError(cause) })
  Object.defineProperty(error, 'name', { value: type, configurable: true, writable: true })
  if (stack !== undefined) error.stack = stack
  Object.assign(error, fields)
  if (errors !== undefined) Object.assign(error, { errors: errors.map(reviveError) })
  return error
}

/** Log fields that can be posted to another thread: errors described, and what cannot be cloned as text. */
export function cloneableFields(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      isError(value) ? describeError(value) : cloneable(value),
    ]),
  )
}

function cloneable(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'function' || typeof value === 'symbol' ? String(value) : value
  }
  try {
    return structuredClone(value)
  } catch {
    return textOf(value)
  }
}
