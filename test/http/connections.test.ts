import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { openFileLimit } from '../../src/ops/file-limit.ts'
import { createServed, type Served } from '../e2e/served.ts'
import { type ChildRun, runProcess, typescriptArgs } from '../support/process.ts'
import { until } from '../support/wait.ts'
import { openRaw, type RawConnection } from './hostile-client.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const HASH = 'ab'.repeat(32)
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

const closers: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const episodes = (log: string) => log.split('too many HTTP connections').length - 1

describe('more connections than the limit', () => {
  async function flooded(): Promise<{ server: ServerUnderTest; idle: RawConnection[] }> {
    const server = await startServer({ settings: { maxConnections: 20 } })
    closers.push(server.close)
    const idle = await Promise.all(Array.from({ length: 20 }, () => openRaw(server.url)))
    closers.push(() => idle.forEach(({ socket }) => void socket.destroy()))
    return { server, idle }
  }
  const ask = async (server: ServerUnderTest, path: string) => {
    const connection = await openRaw(server.url)
    connection.head({ method: 'GET', path, length: 0 })
    await connection.closed
    return connection
  }

  it('serve probes, and tell everybody else to come back', async () => {
    const { server } = await flooded()
    for (const path of ['/livez', '/readyz', '/metrics']) {
      expect((await ask(server, path)).status()).toBe(200)
    }
    const refused = await ask(server, '/v1/status')
    expect(refused.status()).toBe(503)
    expect(refused.answer()).toMatch(/^retry-after: 2\r$/im)
    expect(refused.answer()).toMatch(/^connection: close\r$/im)
    expect(refused.answer()).toContain('"code":"OVERLOADED"')
  })

  it('serve probes also when hundreds of idle ones come as well', async () => {
    const { server } = await flooded()
    const more = await Promise.all(Array.from({ length: 200 }, () => openRaw(server.url)))
    closers.push(() => more.forEach(({ socket }) => void socket.destroy()))
    for (let i = 0; i < 10; i++) expect((await ask(server, '/livez')).status()).toBe(200)
    expect(episodes(server.logs())).toBe(1)
    expect(await server.metrics()).toMatch(/holdfast_http_connections_refused_total \d/)
  })

  it('are an episode of its own when they come again', async () => {
    const { server, idle } = await flooded()
    await ask(server, '/livez')
    await ask(server, '/livez')
    expect(episodes(server.logs())).toBe(1)
    for (const { socket } of idle.splice(0, 10)) socket.destroy()
    await until(() => server.logs().includes('accepted again'), { what: 'the end of the episode' })
    const others = await Promise.all(Array.from({ length: 11 }, () => openRaw(server.url)))
    closers.push(() => others.forEach(({ socket }) => void socket.destroy()))
    await ask(server, '/livez')
    expect(episodes(server.logs())).toBe(2)
  })
})

/** Connections that the kernel dropped since it started, because nobody had accepted those before them. */
function overflows(): number {
  const [names, values] = readFileSync('/proc/net/netstat', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '))
  return Number(values![names!.indexOf('ListenOverflows')])
}
const SOMAXCONN = '/proc/sys/net/core/somaxconn'
const queueLimit = existsSync(SOMAXCONN) ? Number(readFileSync(SOMAXCONN, 'utf8')) : 0
const BURST = 2_000

describe('a burst of connections', () => {
  it.skipIf(queueLimit <= BURST)('waits to be accepted, so that none comes back a second later', async () => {
    const victim = fileURLToPath(new URL('victim.ts', import.meta.url))
    const run = runProcess(process.execPath, typescriptArgs(victim))
    closers.push(async () => {
      run.kill()
      await run.exit()
    })
    const url = (await run.waitFor(/listening at (\S+)/))[1]!
    const before = overflows()
    run.kill('SIGSTOP')
    const burst = await Promise.all(Array.from({ length: BURST }, () => openRaw(url)))
    closers.push(() => burst.forEach(({ socket }) => void socket.destroy()))
    for (const connection of burst) connection.head({ method: 'GET', path: '/livez', length: 0 })
    run.kill('SIGCONT')
    await until(() => burst.every(({ status }) => status() === 200), { what: 'all answers' })
    expect(overflows() - before).toBe(0)
  })
})

describe('the file-descriptor limit', () => {
  it('is that of this process', async () => {
    const script = `import(${JSON.stringify(new URL('../../dist/ops/file-limit.js', import.meta.url).href)}).then((m) => console.log(m.openFileLimit()))`
    const run = runProcess('sh', ['-c', 'ulimit -n 300; exec "$0" -e "$1"', process.execPath, script])
    await run.exit()
    expect(run.output().trim()).toBe('300')
    expect(openFileLimit()).toBeGreaterThan(300)
  })

  it('leaves room for probes and the database, however many connections are opened', async () => {
    const served: Served = await createServed()
    closers.push(served.close)
    const run: ChildRun = runProcess(
      'sh',
      ['-c', 'ulimit -n 300; exec "$0" "$1" serve', process.execPath, MAIN],
      {
        env: served.env,
      },
    )
    closers.push(async () => {
      run.kill()
      await run.exit()
    })
    const url = (await run.waitFor(/"url":"(http:[^"]+)","msg":"listening"/))[1]!
    const { hostname, port } = new URL(url)
    const sockets: Socket[] = []
    closers.push(() => sockets.forEach((socket) => void socket.destroy()))
    for (let n = 0; n < 500; n++) {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => socket.destroy())
      sockets.push(socket)
    }
    await run.waitFor(/too many HTTP connections/)
    for (const path of ['/livez', '/readyz']) {
      const answers = async () => {
        const answer = await fetch(url + path, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined)
        return answer?.status === 200
      }
      await until(answers, { what: path })
    }
    // One of the connections that were admitted pushes, which takes a connection to the database.
    const body = `{"hash":"${HASH}"}`
    let answer = ''
    sockets[0]!.setEncoding('latin1').on('data', (text) => {
      answer += text
    })
    sockets[0]!.write(
      `POST /v1/records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${served.apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await until(() => answer.startsWith('HTTP/1.1 202'), { what: 'the push' })
    expect(run.output()).not.toMatch(/EMFILE|ENFILE/)
    expect(episodes(run.output())).toBe(1)
  })
})
