/**
 * The one table of what PostgreSQL, and the way to it, can answer.
 *
 * `transient`: the same may succeed later by itself. `configuration`: it may succeed later without a restart of Holdfast,
 * once somebody has done something about the server, its role or the schema. `ours`: a fault of Holdfast's.
 */
import pg from 'pg'
import { HoldfastError } from '../../core/errors.ts'
import { SessionRefusedError } from './session/prepare.ts'

export type DatabaseFailure = {
  kind: 'transient' | 'configuration' | 'ours'
  /** A few words that reveal no role, host or name. */
  why: string
}

type Row = DatabaseFailure & { matches: RegExp }

/** Seconds. */
const RETRY_AFTER = { transient: 2, configuration: 10 } as const

/** An undefined table, column, object or function. */
const SCHEMA_MISSING = /^42(P01|703|704|883)$/

/** SQLSTATEs by their beginning; the first row that matches counts. PostgreSQL's manual, appendix A. */
const SQLSTATES: readonly Row[] = [
  { matches: /^08/, kind: 'transient', why: 'the connection failed' },
  { matches: /^25006/, kind: 'transient', why: 'it is read-only' },
  { matches: /^25P0[34]/, kind: 'transient', why: 'the transaction took too long' },
  { matches: /^(26|42P05)/, kind: 'transient', why: 'the session has lost its statements' },
  { matches: /^28/, kind: 'configuration', why: 'it refuses the role or its password' },
  { matches: /^3D/, kind: 'configuration', why: 'there is no such database' },
  { matches: /^3F/, kind: 'configuration', why: 'there is no such schema' },
  { matches: /^40/, kind: 'transient', why: 'the transaction was rolled back' },
  { matches: /^42501/, kind: 'configuration', why: 'its role may not do this' },
  { matches: SCHEMA_MISSING, kind: 'configuration', why: 'it is not migrated to this version' },
  { matches: /^53100/, kind: 'transient', why: 'its disk is full' },
  { matches: /^53200/, kind: 'transient', why: 'it is out of memory' },
  { matches: /^53300/, kind: 'transient', why: 'it takes no more connections' },
  { matches: /^53/, kind: 'transient', why: 'it is out of resources' },
  { matches: /^55P02/, kind: 'configuration', why: 'a setting cannot be changed' },
  { matches: /^55/, kind: 'transient', why: 'what is needed is in use' },
  { matches: /^57014/, kind: 'transient', why: 'the statement took too long' },
  { matches: /^57P03/, kind: 'transient', why: 'it is starting, stopping or recovering' },
  { matches: /^57/, kind: 'transient', why: 'it is being shut down' },
  { matches: /^58/, kind: 'transient', why: 'its disk or operating system fails' },
  { matches: /^72/, kind: 'transient', why: 'the snapshot is too old' },
  { matches: /^F0/, kind: 'configuration', why: 'its configuration file is wrong' },
  // Also what a full disk or a damaged file makes of a new connection.
  { matches: /^XX/, kind: 'transient', why: 'it has an internal error' },
]
const REFUSED: DatabaseFailure = { kind: 'ours', why: 'it refuses the statement' }
const STALE_PLAN: DatabaseFailure = { kind: 'transient', why: 'the session has an outdated plan' }

/** Codes of Node's errors on the way to the server. */
const ERRNOS: readonly Row[] = [
  {
    matches: /^(ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|E(HOST|NET)(UNREACH|DOWN))$/,
    kind: 'transient',
    why: 'it cannot be reached',
  },
  {
    matches: /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO$)/,
    kind: 'configuration',
    why: 'its TLS certificate is not accepted',
  },
]
/** What opening a socket may fail with, and other work as well: without descriptors, or at a path that is not there. */
const SOCKET_ERRNO = /^(ENOENT|EACCES|EMFILE|ENFILE|EADDRNOTAVAIL)$/

/** Messages of pg's and kysely's, which come without a code. */
const MESSAGES: readonly Row[] = [
  {
    matches:
      /Connection terminated|timeout exceeded when trying to connect|timeout expired|connection error|Client (has encountered|was closed)|connection has been discarded|server closed|Cannot use a pool after calling end|driver has already been destroyed/i,
    kind: 'transient',
    why: 'it cannot be reached or does not answer',
  },
  { matches: /does not support SSL|SSL connection/i, kind: 'configuration', why: 'it offers no TLS' },
  {
    matches: /^(SASL|SCRAM)|password must be a string/i,
    kind: 'configuration',
    why: 'it refuses the role or its password',
  },
]

/** What of the database lies behind an error; null when it is not the database that failed. */
export function databaseFailure(error: unknown): DatabaseFailure | null {
  if (error instanceof SessionRefusedError)
    return { kind: 'configuration', why: 'its sessions cannot be used' }
  if (error instanceof pg.DatabaseError) return answered(error)
  if (!(error instanceof Error) || error instanceof HoldfastError) return null
  if (error instanceof AggregateError) {
    const failures = error.errors.map(databaseFailure)
    return failures.find((failure) => failure !== null) ?? null
  }
  const { code = '', syscall } = error as NodeJS.ErrnoException
  if (syscall === 'connect' && SOCKET_ERRNO.test(code)) return rowOf(ERRNOS, 'ECONNREFUSED')
  return rowOf(ERRNOS, code) ?? rowOf(MESSAGES, error.message)
}

/** Whether the server, or a pooler in its place, answered at all. */
export function isAnswer(error: unknown): boolean {
  return error instanceof pg.DatabaseError
}

/** Whether a table, or part of one, is not there that this version needs. */
export function isSchemaMissing(error: unknown): boolean {
  return error instanceof pg.DatabaseError && SCHEMA_MISSING.test(error.code ?? '')
}

function answered(error: pg.DatabaseError): DatabaseFailure {
  const { code = '', routine, severity } = error
  // A pooler that lacks a feature ends the connection; a statement that was planned before a migration is planned anew.
  if (code === '0A000' && (routine === 'RevalidateCachedQuery' || severity === 'FATAL')) return STALE_PLAN
  return rowOf(SQLSTATES, code) ?? REFUSED
}

function rowOf(rows: readonly Row[], text: string): DatabaseFailure | null {
  const row = rows.find(({ matches }) => matches.test(text))
  return row === undefined ? null : { kind: row.kind, why: row.why }
}

/** Whether the statement failed because of the database's state, so that the same statement may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const failure = databaseFailure(error)
  return failure !== null && failure.kind !== 'ours'
}

/** The error as callers should see it: DATABASE_UNAVAILABLE (retry) when it is the database's state, else unchanged. */
export function asStoreError(error: unknown): unknown {
  const failure = databaseFailure(error)
  if (failure === null || failure.kind === 'ours') return error
  return new HoldfastError(
    'DATABASE_UNAVAILABLE',
    `The database cannot serve now: ${failure.why}. Nothing was acknowledged.`,
    { retryAfter: RETRY_AFTER[failure.kind], cause: error },
  )
}
