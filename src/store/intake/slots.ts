/**
 * The log is cut into slots, tables of its own that take turns. Chunks go to one slot until it has had its share, then to
 * the next; sealing empties a slot after its turn, and an empty one is truncated. So a backlog gives its space back while
 * it is sealed, which no vacuum could: the newest chunks stand at the end of the file, and are sealed last. Where a chunk
 * stands means nothing.
 */
import type { Connection, Pool } from '../connection/database.ts'
import { type Lease, requireLease } from '../connection/leases.ts'

export const SLOTS = 8
/** What one slot takes in its turn. */
const TURN_BYTES = 128 * 2 ** 20
const TURN_ROWS = 20_000

/** Says which slot a commit of so many bytes and rows goes to. */
export type SlotTurns = (bytes: number, rows: number) => number

export function createSlotTurns(): SlotTurns {
  let slot = 0
  let bytes = 0
  let rows = 0
  return (moreBytes, moreRows) => {
    if (bytes >= TURN_BYTES || rows >= TURN_ROWS) {
      slot = (slot + 1) % SLOTS
      bytes = 0
      rows = 0
    }
    bytes += moreBytes
    rows += moreRows
    return slot
  }
}

export function slotTable(slot: number): string {
  if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS)
    throw new RangeError(`the log has no slot ${slot}`)
  return `intake_${slot}`
}

export type SlotUse = { slot: number; bytes: number; empty: boolean }

/** How large each slot is on disk, and whether it holds a chunk. */
export async function readSlots(pool: Pool): Promise<SlotUse[]> {
  const one = (slot: number) =>
    `select ${slot} as slot, pg_total_relation_size('${slotTable(slot)}')::float8 as bytes,
       not exists (select from ${slotTable(slot)}) as empty`
  const { rows } = await pool.query<SlotUse>({
    name: 'read-slots',
    text: Array.from({ length: SLOTS }, (_, slot) => one(slot)).join(' union all '),
  })
  return rows
}

/**
 * Gives the space of an empty slot back to the file system. Waits for nobody: where somebody uses the slot, or it holds a
 * chunk after all, it is left alone.
 * @returns whether it was truncated
 * @throws HoldfastError LEASE_LOST
 */
export async function truncateSlot(client: Connection, lease: Lease, slot: number): Promise<boolean> {
  const table = slotTable(slot)
  await client.query('begin')
  try {
    await requireLease(client, lease)
    await client.query(`lock table ${table} in access exclusive mode nowait`)
    const { rowCount } = await client.query(`select from ${table} limit 1`)
    if (rowCount === 0) await client.query(`truncate ${table}`)
    await client.query('commit')
    return rowCount === 0
  } catch (error) {
    await client.query('rollback')
    if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE) return false
    throw error
  }
}

const LOCK_NOT_AVAILABLE = '55P03'
