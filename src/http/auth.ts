import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { HoldfastError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import { hashApiKey, type Scope, type Source } from '../store/intake/sources.ts'
import { addressOf } from './client-of.ts'
import { createSlots } from './slots.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose key the request came with; null on open routes, and until the key was checked. */
    source: Source | null
  }
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void

export type Auth = {
  /** Lets the request through when its key has one of the scopes; `admin` has every scope. */
  require(...scopes: [Scope, ...Scope[]]): Hook
  /** The source of the request's key when that is known without asking and has the scope; else leave it to `require`. */
  known(request: IncomingMessage, scope: Scope): Source | undefined
}

/** How long a key is known without asking the database, and so how long a revoked key may still work. */
const KNOWN_MS = 5_000
const KNOWN_KEYS = 10_000
const KNOWN_STRANGERS = 1_000
/** Look-ups of keys that were never valid here, at once; shared by address. */
const LOOK_UPS_AT_ONCE = 64
const BEARER = /^bearer +([A-Za-z0-9_.~+/=-]{1,200}) *$/i

/**
 * Bearer keys against the sources in the database. A header seen within the last 5 seconds is judged from memory, also
 * when it was refused; both memories are bounded. Requests that bring the same unknown header share one query, and however
 * many unknown headers an address brings, keys that were valid before are looked up.
 */
export function createAuth(deps: {
  findSource(keyHash: Buffer): Promise<Source | null>
  clock: Clock
}): Auth {
  const known = createMemory<Source>(KNOWN_KEYS, deps.clock)
  const strangers = createMemory<true>(KNOWN_STRANGERS, deps.clock)
  /** Headers that were valid when they were last looked up. */
  const proven = new Set<string>()
  const slots = createSlots(LOOK_UPS_AT_ONCE, 'Too many unknown API keys at once; send this again.')
  const asking = new Map<string, Promise<Source | null>>()

  function remember(header: string, source: Source | null, askedAt: number): void {
    proven.delete(header)
    if (source === null) {
      strangers.set(header, true, askedAt)
      return
    }
    known.set(header, source, askedAt)
    if (proven.size >= KNOWN_KEYS) proven.clear()
    proven.add(header)
  }

  /** @throws HoldfastError OVERLOADED */
  function ask(header: string, key: string, socket: Socket): Promise<Source | null> {
    const pending = asking.get(header)
    if (pending) return pending
    const leave = proven.has(header) ? () => undefined : slots.take(addressOf(socket))
    // Judged by when it was asked, so that a key revoked meanwhile is not known for longer than promised.
    const askedAt = deps.clock.now()
    const answer = deps
      .findSource(hashApiKey(key))
      .then((source) => {
        remember(header, source, askedAt)
        return source
      })
      .finally(() => {
        leave()
        asking.delete(header)
      })
    asking.set(header, answer)
    return answer
  }

  return {
    known({ headers }, scope) {
      const source = headers.authorization === undefined ? undefined : known.get(headers.authorization)
      return source !== undefined && mayUse(source, scope) ? source : undefined
    },
    require(...scopes) {
      const admit = (request: FastifyRequest, source: Source | null): Error | undefined => {
        if (source === null) {
          return new HoldfastError('UNAUTHORIZED', 'The API key is not known, or was revoked.')
        }
        if (!scopes.some((scope) => mayUse(source, scope))) {
          const has = source.scopes.join(', ')
          return new HoldfastError(
            'FORBIDDEN',
            `This needs the scope ${scopes.join(' or ')}; the key has ${has}.`,
          )
        }
        request.source = source
        return undefined
      }
      return (request, _reply, done) => {
        const header = request.headers.authorization
        if (header === undefined) {
          return done(new HoldfastError('UNAUTHORIZED', 'Send an API key: Authorization: Bearer hf_…'))
        }
        const source = known.get(header)
        if (source !== undefined) return done(admit(request, source))
        if (strangers.get(header)) return done(admit(request, null))
        const key = BEARER.exec(header)?.[1]
        if (key === undefined) {
          return done(
            new HoldfastError('UNAUTHORIZED', 'The Authorization header is not "Bearer" and a key.'),
          )
        }
        try {
          ask(header, key, request.raw.socket).then(
            (found) => done(admit(request, found)),
            (error: Error) => done(error),
          )
        } catch (error) {
          done(error as Error)
        }
      }
    },
  }
}

function mayUse({ scopes }: Source, scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes('admin')
}

/** Values kept for {@link KNOWN_MS} each, the oldest dropped when there are too many. */
function createMemory<V>(size: number, clock: Clock) {
  const entries = new Map<string, { value: V; at: number }>()
  return {
    get(key: string): V | undefined {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      const age = clock.now() - entry.at
      // A negative age: the clock was set back, so the entry's true age is not known.
      if (age >= 0 && age < KNOWN_MS) return entry.value
      entries.delete(key)
      return undefined
    },
    set(key: string, value: V, at: number): void {
      entries.delete(key)
      if (entries.size >= size) {
        for (const oldest of entries.keys()) {
          entries.delete(oldest)
          break
        }
      }
      entries.set(key, { value, at })
    },
  }
}
