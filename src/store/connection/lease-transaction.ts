import type pg from 'pg'
import { type Lease, requireLease } from './leases.ts'

/**
 * Runs `work` in one transaction that holds the lease row from its first statement to its commit.
 * @throws HoldfastError LEASE_LOST when the lease's epoch has passed; then, as with any error, nothing was written
 */
export async function inLease<T>(
  pool: pg.Pool,
  lease: Lease,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  // Lost between two statements, a connection that nobody listens to would bring the process down.
  const lost = (error: Error): void => {
    broken = error
  }
  client.on('error', lost)
  try {
    await client.query('begin')
    await requireLease(client, lease)
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    client.removeListener('error', lost)
    client.release(broken)
  }
}
