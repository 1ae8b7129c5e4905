import { distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { CONFIG_FILE_VARIABLE, ENVIRONMENT, type Fault } from './environment.ts'

/** Paths whose values are never shown, not even in the message that refuses them. */
const SECRET = /(^|\.)(url|rpcUrls|signer)(\[|\.|$)/

/** Turns one complaint of the schema into faults that say where, what was found and what would be right. */
export function faultsOf(issue: z.core.$ZodIssue, input: unknown, knownKeys: KnownKeys): Fault[] {
  const path = pathText(issue.path)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const at = path === '' ? key : `${path}.${key}`
      const near = nearest(key, knownKeys(issue.path))
      return { path: at, message: `unknown setting${near ? `; did you mean ${near}?` : ''}` }
    })
  }
  const found = SECRET.test(path) ? undefined : valueAt(input, issue.path)
  return [{ path, message: `${expectation(issue)}${gotText(issue, found, SECRET.test(path), input)}` }]
}

export type KnownKeys = (path: readonly PropertyKey[]) => readonly string[]

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${article(issue.expected === 'int' ? 'whole number' : issue.expected)}`
    case 'invalid_value':
      return `expected one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'too_small':
      if (issue.origin === 'array')
        return `expected at least ${issue.minimum} item${issue.minimum === 1 ? '' : 's'}`
      if (issue.origin === 'string') return 'expected a text that is not empty'
      return `expected ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
    case 'too_big':
      return `expected at most ${issue.maximum}`
    case 'invalid_union':
      return 'options' in issue && issue.options
        ? `expected one of ${issue.options.map((value) => JSON.stringify(value)).join(', ')}`
        : 'expected true, false or "auto"'
    default:
      return issue.message
  }
}

function article(name: string): string {
  return `${/^[aeio]/.test(name) ? 'an' : 'a'} ${name}`
}

function gotText(issue: z.core.$ZodIssue, found: unknown, secret: boolean, input: unknown): string {
  if (valueAt(input, issue.path) === undefined) return ', but it is missing'
  if (secret || issue.code === 'custom') return ''
  if (Array.isArray(found) || (typeof found === 'object' && found !== null)) return ''
  return `, got ${JSON.stringify(found)}`
}

/** `chains[0].fees.bumpAfterMs` */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    return text === '' ? String(key) : `${text}.${String(key)}`
  }, '')
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  )
}

/**
 * Variables that look like a misspelt one of ours. Others with our prefix are let be: Kubernetes, for one, sets
 * HOLDFAST_SERVICE_HOST beside a service named holdfast.
 */
export function misspeltVariables(env: Readonly<Record<string, string | undefined>>): Fault[] {
  const known = [CONFIG_FILE_VARIABLE, ...ENVIRONMENT.map(({ name }) => name)]
  return Object.keys(env)
    .filter((name) => name.startsWith('HOLDFAST_') && !known.includes(name))
    .flatMap((name) => {
      const near = nearest(name, known)
      return near ? [{ path: name, message: `unknown environment variable; did you mean ${near}?` }] : []
    })
}

/** The candidate at most two edits away (letter case apart), or undefined. */
function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
  const best = ranked[0]
  return best && best.edits <= 2 && best.edits < word.length ? best.candidate : undefined
}
