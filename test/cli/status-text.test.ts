import { describe, expect, it } from 'vitest'
import { describeStatus } from '../../src/cli/status.ts'

const HOUR_MS = 3_600_000
const at = (ms: number) => new Date(Date.now() + ms).toISOString()

function chain(fields: { anchorBy: string | null; reason: string | null }) {
  return {
    intake: { waitingToSeal: 1, oldestReceivedAt: null },
    sealed: { leaves: 1, batches: 1, lastSealedAt: null },
    chains: [
      {
        chainId: 'eip155:1',
        address: '0x1',
        balanceWei: null,
        nextTick: null,
        detail: fields.reason && 'why',
        lastAnchor: null,
        inFlight: null,
        backlog: { batches: 1, leaves: 2 },
        ...fields,
      },
    ],
  }
}

describe('holdfast status', () => {
  it('says LATE of what is past its deadline, and only of that', () => {
    const late = at(-HOUR_MS)
    const lastLine = (fields: Parameters<typeof chain>[0]) => describeStatus(chain(fields)).split('\n').at(-1)
    expect(lastLine({ anchorBy: late, reason: 'fee_cap' })).toBe(`  LATE      since ${late}: fee_cap: why`)
    expect(lastLine({ anchorBy: late, reason: null })).toContain('LATE      since')
    expect(lastLine({ anchorBy: at(HOUR_MS), reason: 'fee_cap' })).toBe('  waits     fee_cap: why')
    expect(lastLine({ anchorBy: null, reason: 'rpc_down' })).toBe('  waits     rpc_down: why')
    expect(lastLine({ anchorBy: at(HOUR_MS), reason: null })).toBe('  last      none yet')
  })

  it('counts one as one', () => {
    expect(describeStatus(chain({ anchorBy: null, reason: null }))).toMatch(
      /^to seal {3}1 hash\nsealed {4}1 hash in 1 batch\n(?:.*\n)* {2}waiting {3}2 hashes in 1 batch\n/,
    )
  })
})
