/**
 * Tells unit tests from integration tests: a test that imports, however indirectly, what starts a server or another
 * process is an integration test. Derived from the imports, so that no list goes stale.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDERS = ['test', 'clients/typescript/test']
const STARTS_SERVERS = /^(test\/support\/(database|anvil|process)\.ts|src\/dev\/.*|src\/seal\/sealer\.ts)$/
const STARTS_PROCESSES = /from 'node:child_process'/
const IMPORT = /(?:from|import\() ?'(\.{1,2}\/[^']+)'/g

/** Paths from the root of the repository. */
export function testFiles(): { unit: string[]; integration: string[] } {
  const known = new Map<string, boolean>()
  const all = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join(folder, name)),
  )
  const integration = all.filter((file) => needsServers(file, known))
  return { unit: all.filter((file) => !integration.includes(file)), integration }
}

function needsServers(file: string, known: Map<string, boolean>): boolean {
  const before = known.get(file)
  if (before !== undefined) return before
  // Imports may go in circles; the first visit decides.
  known.set(file, false)
  const needs = STARTS_SERVERS.test(file) || readsOfServers(file, known)
  known.set(file, needs)
  return needs
}

function readsOfServers(file: string, known: Map<string, boolean>): boolean {
  const path = join(ROOT, file)
  if (!existsSync(path) || !path.endsWith('.ts')) return false
  const source = readFileSync(path, 'utf8')
  if (STARTS_PROCESSES.test(source)) return true
  return [...source.matchAll(IMPORT)].some(([, target]) =>
    needsServers(relative(ROOT, resolve(dirname(path), target as string)), known),
  )
}
