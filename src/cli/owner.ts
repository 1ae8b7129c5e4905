import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** Names this process in leases: readable for an operator, and never the same twice. */
export function leaseOwner(): string {
  return `${hostname()}/${process.pid}/${randomBytes(4).toString('hex')}`
}
