import type { Pool } from '../connection/database.ts'
import { asStoreError } from '../connection/failures.ts'

export type TileKey = { batchId: number; level: number; index: number }

/** A tile as stored, n x 32 bytes each. Its group roots are empty when it has one group, or is older than they are. */
export type StoredTile = { nodes: Buffer; groupRoots: Buffer }

/**
 * The tiles in the order of `keys`; undefined where there is none.
 * @throws HoldfastError DATABASE_UNAVAILABLE
 */
export async function readTiles(pool: Pool, keys: readonly TileKey[]): Promise<(StoredTile | undefined)[]> {
  if (keys.length === 0) return []
  try {
    const { rows } = await pool.query<{ position: number; nodes: Buffer; groupRoots: Buffer | null }>({
      name: 'read-tiles',
      text: `select k.position::int, t.nodes, t.group_roots as "groupRoots"
             from unnest($1::int[], $2::int[], $3::int[]) with ordinality k (batch_id, level, index, position)
             join tile t on t.batch_id = k.batch_id and t.level = k.level and t.index = k.index`,
      values: [keys.map((key) => key.batchId), keys.map((key) => key.level), keys.map((key) => key.index)],
    })
    const found: (StoredTile | undefined)[] = keys.map(() => undefined)
    for (const { position, nodes, groupRoots } of rows) {
      found[position - 1] = { nodes, groupRoots: groupRoots ?? Buffer.alloc(0) }
    }
    return found
  } catch (error) {
    throw asStoreError(error)
  }
}

/** The nodes of one tile, n x 32 bytes, or null. */
export async function readTile(pool: Pool, key: TileKey): Promise<Buffer | null> {
  const [tile] = await readTiles(pool, [key])
  return tile?.nodes ?? null
}
