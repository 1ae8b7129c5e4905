import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from '../../src/dev/ports.ts'
import { serverAccount } from '../../src/dev/postgres-binaries.ts'
import { runProcess } from './process.ts'
import { until } from './wait.ts'

const PROGRAM = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer'].find(existsSync)

/** Whether PgBouncer is installed; says so where it is not. */
export function hasPgBouncer(): boolean {
  if (PROGRAM === undefined)
    process.stderr.write('SKIPPED: pgbouncer is not installed (apt-get install pgbouncer)\n')
  return PROGRAM !== undefined
}

export type PgBouncer = {
  /** As the database's URL, through PgBouncer. */
  url: string
  log(): string
  stop(): Promise<void>
}

/** A real PgBouncer before the database of `url`. `settings` are lines of its [pgbouncer] section. */
export async function startPgBouncer(
  url: string,
  settings: Readonly<Record<string, string>>,
): Promise<PgBouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-pgbouncer-'))
  chmodSync(folder, 0o755)
  const account = serverAccount()
  const target = new URL(url)
  const port = await findFreePort()
  const database = target.pathname.slice(1)
  const file = join(folder, 'pgbouncer.ini')
  const lines = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    default_pool_size: '40',
    ...settings,
  }
  writeFileSync(
    file,
    [
      '[databases]',
      `${database} = host=${target.hostname} port=${target.port} dbname=${database} user=${target.username} password=${target.password}`,
      '[pgbouncer]',
      ...Object.entries(lines).map(([name, value]) => `${name} = ${value}`),
      '',
    ].join('\n'),
  )
  if (account !== null) chownSync(file, account.uid, account.gid)
  const run = runProcess(PROGRAM!, [file], account === null ? {} : { uid: account.uid, gid: account.gid })
  await run.waitFor(/process up/)
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(port)
  return {
    url: through.href,
    log: run.output,
    async stop() {
      run.kill('SIGTERM')
      await until(() => run.exit(), { what: 'the end of pgbouncer' })
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
