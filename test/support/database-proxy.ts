import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** The way to a PostgreSQL server, to be interrupted in the ways in which networks and servers fail. */
export type DatabaseProxy = {
  /** As the database's URL, through here. */
  url: string
  /** How many connections have come. */
  connections(): number
  /** Ends every connection and takes no new ones, until `mend`. */
  cut(): void
  mend(): void
  /** From now on no byte passes on what is open, and neither side notices. */
  silence(): void
  /**
   * Cuts the connection at which the server next says that a transaction is committed, and keeps that from the client.
   * @param application of connections with this application_name only
   * @returns resolves once it has happened
   */
  loseCommitAnswer(application?: string): Promise<void>
  /** Lets answers through that were to be lost. */
  loseNothing(): void
  close(): Promise<void>
}

type Loss = { application: string | undefined; happened(): void }

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl)
  const open = new Set<Socket>()
  let connections = 0
  let away = false
  let losses: Loss[] = []

  const server = createServer((near) => {
    if (away) return void near.destroy()
    connections += 1
    const far = connect(Number(target.port), target.hostname)
    let application = ''
    near.once('data', (startup: Buffer) => {
      application = /application_name\0([^\0]*)/.exec(startup.toString('latin1'))?.[1] ?? ''
    })
    const answers = createAnswerReader()
    near.pipe(far)
    far.on('data', (chunk: Buffer) => {
      const isCommitted = answers.read(chunk)
      const loss = isCommitted && losses.find((each) => (each.application ?? application) === application)
      if (loss) {
        losses = losses.filter((each) => each !== loss)
        for (const socket of [near, far]) socket.destroy()
        loss.happened()
      } else if (!near.write(chunk)) {
        far.pause()
        near.once('drain', () => far.resume())
      }
    })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)

  return {
    url: url.href,
    connections: () => connections,
    cut() {
      away = true
      for (const socket of open) socket.destroy()
    },
    mend() {
      away = false
    },
    silence() {
      for (const socket of open) {
        socket.unpipe()
        socket.removeAllListeners('data')
        socket.pause()
      }
    },
    loseCommitAnswer: (application) =>
      new Promise((resolve) => losses.push({ application, happened: resolve })),
    loseNothing() {
      losses = []
    },
    async close() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const COMMAND_COMPLETE = 'C'.charCodeAt(0)
const READY_FOR_QUERY = 'Z'.charCodeAt(0)
const IDLE = 'I'.charCodeAt(0)

/**
 * Follows the server's messages, each a type byte and a length of four bytes. `read` says whether the chunk ends a
 * transaction that wrote something: `COMMIT`, or a statement of its own, with the server ready for the next.
 */
function createAnswerReader(): { read(chunk: Buffer): boolean } {
  let header = Buffer.alloc(0)
  let body = Buffer.alloc(0)
  let left = 0
  let wasIdle = true
  let didWrite = false

  /** True when a transaction has been committed. */
  function message(type: number): boolean {
    if (type === COMMAND_COMPLETE) {
      const tag = body.toString('latin1')
      didWrite ||=
        /^COMMIT|^(INSERT|UPDATE|DELETE|COPY) [0-9 ]*[1-9]/.test(tag) && (wasIdle || /^COMMIT/.test(tag))
      return false
    }
    if (type !== READY_FOR_QUERY) return false
    const isIdle = body[0] === IDLE
    const isCommitted = isIdle && didWrite
    wasIdle = isIdle
    didWrite = false
    return isCommitted
  }

  return {
    read(chunk) {
      let isCommitted = false
      let at = 0
      while (at < chunk.length) {
        if (header.length < 5) {
          const taken = chunk.subarray(at, at + 5 - header.length)
          header = Buffer.concat([header, taken])
          at += taken.length
          if (header.length < 5) break
          left = header.readInt32BE(1) - 4
        }
        const part = chunk.subarray(at, at + left)
        // What is long is no answer of interest, such as rows.
        if (header[0] === COMMAND_COMPLETE || header[0] === READY_FOR_QUERY)
          body = Buffer.concat([body, part])
        at += part.length
        left -= part.length
        if (left > 0) break
        isCommitted = message(header[0]!) || isCommitted
        header = Buffer.alloc(0)
        body = Buffer.alloc(0)
      }
      return isCommitted
    },
  }
}
