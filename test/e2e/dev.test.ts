import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Receipt } from '../../src/core/receipt.ts'
import { identify } from '../../src/dev/processes.ts'
import { type ChildRun, runHoldfast } from '../support/process.ts'
import { until } from '../support/wait.ts'

let folder: string
const runs: ChildRun[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-dev-'))
})
afterEach(async () => {
  for (const run of runs.splice(0)) {
    run.kill('SIGTERM')
    await run.exit(60_000)
  }
  rmSync(folder, { recursive: true, force: true })
})

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** A curl line as a user would paste it, sent with fetch. */
async function curl(line: string): Promise<Response> {
  const words = [...line.matchAll(/'((?:[^']|'\\'')*)'|(\S+)/g)].map((word) => word[1] ?? word[2]!)
  const [command, silent, url] = words.splice(0, 3)
  expect([command, silent]).toEqual(['curl', '-s'])
  const headers = new Headers()
  let body: string | undefined
  while (words.length > 0) {
    const [flag, value] = words.splice(0, 2)
    if (flag === '-H') headers.append(...(value!.split(': ') as [string, string]))
    else if (flag === '-d') body = value
    else throw new Error(`no such flag here: ${flag}`)
  }
  return fetch(url!, { headers, ...(body !== undefined && { method: 'POST', body }) })
}

async function start(ports: number[]) {
  const [port, rpcPort] = ports
  const state = join(folder, 'state')
  const run = runHoldfast(['dev', '--port', String(port), '--rpc-port', String(rpcPort), '--state', state], {
    cwd: folder,
  })
  runs.push(run)
  await run.waitFor(/3\. Verify it[^\n]*\n[^\n]+\n/, 60_000)
  const lines = run
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('curl '))
  expect(lines).toHaveLength(3)
  return { run, lines: lines as [string, string, string] }
}

/** The processes that this one started, by the system's own table. */
function childrenOf(run: ChildRun): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const pairs = table.split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  return pairs.filter(([, parent]) => parent === run.pid).map(([pid]) => pid!)
}

it('holdfast dev does what it prints, stops all it started, and goes on where it was', async () => {
  const ports = await freePorts(2)
  const first = await start(ports)
  const [push, fetchReceipt, verify] = first.lines

  const pushed = await curl(push)
  expect(pushed.status).toBe(202)
  const { hash } = (await pushed.json()) as { hash: string }
  expect(fetchReceipt).toContain(hash)
  const receipt = await until(
    async () => {
      const response = await curl(fetchReceipt)
      return response.status === 200 ? ((await response.json()) as Receipt) : null
    },
    { within: 40_000, every: 200, what: 'the receipt' },
  )
  expect(receipt.hash).toBe(hash)
  expect(await (await curl(verify)).json()).toMatchObject({ valid: true, hash })

  const children = childrenOf(first.run)
  // PostgreSQL and the chain.
  expect(children.length).toBeGreaterThanOrEqual(2)
  first.run.kill('SIGTERM')
  expect(await first.run.exit(60_000)).toEqual({ code: 0, signal: null })
  expect(children.filter((pid) => identify(pid) !== null)).toEqual([])

  const second = await start(ports)
  expect(second.lines).toEqual(first.lines)
  const again = (await (await curl(second.lines[1])).json()) as Receipt
  expect({ ...again.anchors[0], status: '' }).toEqual({ ...receipt.anchors[0], status: '' })
  expect(await (await curl(second.lines[2])).json()).toMatchObject({ valid: true, hash })
}, 180_000)
