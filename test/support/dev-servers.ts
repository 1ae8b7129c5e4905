/**
 * The parent in tests of what is left behind: starts the development servers in the folder given, prints their pids
 * as one JSON line, then waits to be killed, or ends as told on standard input (`throw`, `exit`, `stop`).
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const { root, folder, outside } = JSON.parse(process.argv[2] ?? '{}') as {
  root: string
  folder: string
  outside?: string
}
const room = (file: string) => import(pathToFileURL(join(root, 'src', 'dev', file)).href)
const { startPostgres } = (await room('postgres.ts')) as typeof import('../../src/dev/postgres.ts')
const { startAnvil } = (await room('anvil.ts')) as typeof import('../../src/dev/anvil.ts')

const postgres = await startPostgres({
  dataDir: join(folder, 'postgres'),
  persistent: true,
  ...(outside === undefined ? {} : { outside }),
})
const anvil = await startAnvil({ stateFile: join(folder, 'chain.gz') })
const { url, pid, dataDir } = postgres
const ready = {
  postgres: { url, pid, dataDir },
  anvil: { url: anvil.url, pid: anvil.pid, resumed: anvil.resumed },
}
process.stdout.write(`ready ${JSON.stringify(ready)}\n`)

process.stdin.setEncoding('utf8').on('data', async (word: string) => {
  if (word.startsWith('throw')) throw new Error('thrown as told')
  if (word.startsWith('exit')) process.exit(3)
  if (word.startsWith('stop')) {
    await anvil.stop()
    await postgres.stop()
    process.exit(0)
  }
})
