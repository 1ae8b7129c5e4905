export type FairShare = {
  /** @returns false, and takes nothing, when this client's share is used up. The first of all may take anything */
  take(client: string | number, amount: number): boolean
  give(client: string | number, amount: number): void
  /** What all clients hold. */
  taken(): number
}

/** A client may hold at most so many times what is left free: alone 3/4 of the limit, the second 3/4 of the rest. */
const TIMES_FREE = 3

/**
 * Divides a limit among clients that nobody knows beforehand, so that however much one takes, the next finds some. The
 * rule is the dynamic threshold of Choudhury and Hahne (1998) for buffers that ports of a switch share.
 */
export function createFairShare(limit: number): FairShare {
  const heldBy = new Map<string | number, number>()
  let total = 0
  return {
    take(client, amount) {
      const held = heldBy.get(client) ?? 0
      if (total > 0 && held + amount > TIMES_FREE * (limit - total - amount)) return false
      heldBy.set(client, held + amount)
      total += amount
      return true
    },
    give(client, amount) {
      const left = (heldBy.get(client) ?? 0) - amount
      if (left > 0) heldBy.set(client, left)
      else heldBy.delete(client)
      total -= amount
    },
    taken: () => total,
  }
}
