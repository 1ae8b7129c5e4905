import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serverAccount } from '../../src/dev/postgres-binaries.ts'

export type SmallDisk = {
  path: string
  /** Leaves no byte free. */
  fill(): void
  /** Has room again. */
  grow(): void
  remove(): void
}

const ROOM_MB = 512

/**
 * A file system of its own in memory, that PostgreSQL's account may write; null where this user may not mount one, which
 * is said on standard error.
 */
export function mountSmallDisk(): SmallDisk | null {
  const path = join(tmpdir(), `holdfast-disk-${process.pid}-${Math.random().toString(36).slice(2)}`)
  mkdirSync(path)
  if (!run('mount', '-t', 'tmpfs', '-o', `size=${ROOM_MB}m`, 'tmpfs', path)) {
    rmSync(path, { recursive: true })
    process.stderr.write('SKIPPED: a full disk, for no file system can be mounted here\n')
    return null
  }
  const account = serverAccount()
  chmodSync(path, 0o700)
  if (account !== null) chownSync(path, account.uid, account.gid)
  const resize = (size: string) => {
    if (!run('mount', '-o', `remount,size=${size}`, path))
      throw new Error(`${path} could not be made ${size}`)
  }
  return {
    path,
    // A size below what is used is refused, and 0 is no limit.
    fill: () => resize(`${usedKb(path)}k`),
    grow: () => resize(`${ROOM_MB}m`),
    remove() {
      run('umount', '-l', path)
      rmSync(path, { recursive: true, force: true })
    },
  }
}

function usedKb(path: string): number {
  const { stdout } = spawnSync('df', ['-k', '--output=used', path], { encoding: 'utf8' })
  return Math.max(4, Number(stdout.split('\n')[1]))
}

function run(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
