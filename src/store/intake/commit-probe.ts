import { HASH_BYTES } from '../../core/hash.ts'
import type { Pool } from '../connection/database.ts'
import { asStoreError } from '../connection/failures.ts'
import { slotTable } from './slots.ts'

/** More would cost more than it tells. */
const MOST_BYTES = 4 * 1024 * 1024
const TABLE = slotTable(0)

/**
 * Commits as a push of so many bytes does, through the same table and to the disk, and leaves nothing: the row is gone
 * again before anybody could see it.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function probeIntake(pool: Pool, bytes: number): Promise<void> {
  const hashes = Buffer.alloc(Math.max(HASH_BYTES, Math.min(bytes, MOST_BYTES) & -HASH_BYTES))
  try {
    const client = await pool.connect()
    let failure: Error | undefined
    try {
      await client.query('begin')
      const { rows } = await client.query<{ id: number }>(
        `insert into ${TABLE} (received_at, source_id, leaf_count, hashes) values (now(), 0, $1, $2) returning id`,
        [hashes.length / HASH_BYTES, hashes],
      )
      await client.query(`delete from ${TABLE} where id = $1`, [rows[0]!.id])
      await client.query('commit')
    } catch (error) {
      failure = error as Error
      throw error
    } finally {
      client.release(failure)
    }
  } catch (error) {
    throw asStoreError(error)
  }
}
