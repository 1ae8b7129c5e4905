import { createServer } from 'node:net'
import { HoldfastError } from '../core/errors.ts'

function probe(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}

/** A port on 127.0.0.1 that was free a moment ago; whoever uses it must be ready to lose the race and ask again. */
export function findFreePort(): Promise<number> {
  return probe(0)
}

/**
 * Resolves when `port` on 127.0.0.1 can be listened on.
 * @param what who wants the port, e.g. `PostgreSQL`
 * @param choose how the user picks another one, e.g. `--pg-port` or an environment variable
 * @throws INVALID_CONFIG naming the port, who wanted it, and what to do
 */
export async function assertPortFree(port: number, what: string, choose: string): Promise<void> {
  try {
    await probe(port)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const why =
      code === 'EADDRINUSE'
        ? 'is taken by another program'
        : code === 'EACCES'
          ? 'may not be used by this user'
          : `cannot be listened on (${code ?? String(cause)})`
    throw new HoldfastError(
      'INVALID_CONFIG',
      `Port ${port} on 127.0.0.1, wanted for ${what}, ${why}. Stop that program, or choose another port with ${choose}.`,
      { cause },
    )
  }
}
