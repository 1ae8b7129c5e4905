/**
 * In: `config/default.json`, the file named by HOLDFAST_CONFIG, the environment (each laid over the one before). Out:
 * one deeply frozen {@link Config}, or one error that lists every fault.
 */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser'
import { z } from 'zod'
import { counted } from '../core/counted.ts'
import { HoldfastError } from '../core/errors.ts'
import {
  CONFIG_FILE_VARIABLE,
  type Fault,
  isObject,
  type Overlay,
  overlayEnvironment,
  variablesOf,
} from './environment.ts'
import { faultsOf, misspeltVariables } from './faults.ts'
import { withPresets } from './presets.ts'
import { type Config, configSchema } from './schema.ts'
import { secretFaults } from './secrets.ts'

type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_FILE = fileURLToPath(new URL('../../config/default.json', import.meta.url))

/**
 * Reads the configuration as `serve` uses it. Files are JSON, comments and trailing commas allowed; objects of two
 * files are merged key by key, arrays replaced.
 * @param env usually `process.env`
 * @throws HoldfastError INVALID_CONFIG, one line a fault: where, what is wrong, what would be right
 */
export function loadConfig(env: Environment): Config {
  const faults: Fault[] = []
  return parseConfig(readFiles(env, faults), env, faults)
}

/**
 * The same for a configuration that is already in memory, as `dev` and tests build it.
 * @param earlier faults found before, reported together with those found here
 */
export function parseConfig(input: unknown, env: Environment = {}, earlier: readonly Fault[] = []): Config {
  const overlay = overlayEnvironment(input, env)
  const faults = [...earlier, ...overlay.faults, ...misspeltVariables(env)]
  const value = withPresets(overlay.value)
  const result = configSchema.safeParse(value)
  if (!result.success) {
    for (const issue of result.error.issues) faults.push(...faultsOf(issue, value, knownKeys))
  } else {
    faults.push(...secretFaults(result.data, env))
  }
  if (faults.length > 0 || !result.success) throw invalid(faults, overlay)
  return deepFreeze(result.data)
}

/**
 * `database.url` alone, for commands that need no chain to be configured.
 * @throws HoldfastError INVALID_CONFIG for unreadable files, and for a URL that is missing or of another kind
 */
export function loadDatabaseUrl(env: Environment): string {
  const faults: Fault[] = []
  const overlay = overlayEnvironment(readFiles(env, faults), env)
  const database = isObject(overlay.value) ? overlay.value.database : undefined
  const input = { database: { url: isObject(database) ? database.url : undefined } }
  const result = configSchema.pick({ database: true }).safeParse(input)
  if (!result.success) {
    for (const issue of result.error.issues) faults.push(...faultsOf(issue, input, knownKeys))
  }
  if (faults.length > 0 || !result.success) throw invalid(faults, overlay)
  return result.data.database.url
}

function readFiles(env: Environment, faults: Fault[]): unknown {
  const files = [DEFAULT_FILE, ...(env[CONFIG_FILE_VARIABLE] ? [env[CONFIG_FILE_VARIABLE]] : [])]
  return files.map((file) => readFile(file, faults)).reduce(merge, {})
}

function readFile(file: string, faults: Fault[]): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    faults.push({ path: file, message: `cannot be read: ${(error as Error).message}` })
    return {}
  }
  const errors: ParseError[] = []
  const value: unknown = parse(text, errors, { allowTrailingComma: true })
  const first = errors[0]
  if (first) {
    const before = text.slice(0, first.offset).split('\n')
    const where = `line ${before.length}, column ${before.at(-1)!.length + 1}`
    faults.push({ path: file, message: `not valid JSON at ${where}: ${printParseErrorCode(first.error)}` })
    return {}
  }
  if (!isObject(value)) {
    faults.push({ path: file, message: 'expected a JSON object' })
    return {}
  }
  return value
}

function merge(under: unknown, over: unknown): unknown {
  if (!isObject(under) || !isObject(over)) return over
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    merged[key] = key in under ? merge(under[key], value) : value
  }
  return merged
}

function invalid(faults: readonly Fault[], overlay: Overlay): HoldfastError {
  const lines = faults.map(({ path, message }) => {
    const variables = variablesOf(path, overlay)
    const where = path === '' ? 'configuration' : path
    return `  ${where}${variables === '' ? '' : ` (${variables})`}: ${message}`
  })
  return new HoldfastError(
    'INVALID_CONFIG',
    `The configuration has ${counted(faults.length, 'fault')}:\n${lines.join('\n')}`,
  )
}

/** The settings that the schema knows at a path, for "did you mean". */
function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let at: unknown = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' })
  for (const key of path) {
    const schema = at as { properties?: Record<string, unknown>; items?: unknown }
    at = typeof key === 'number' ? schema?.items : schema?.properties?.[String(key)]
  }
  const found = at as { properties?: object; oneOf?: { properties?: object }[] } | undefined
  return [found, ...(found?.oneOf ?? [])].flatMap((each) => Object.keys(each?.properties ?? {}))
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) deepFreeze(each)
    Object.freeze(value)
  }
  return value
}
