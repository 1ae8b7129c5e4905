import { describe, expect, it, vi } from 'vitest'
import { createIntakeQueue, type IntakeChunk } from '../../src/ingest/intake-queue.ts'
import { createMetrics } from '../../src/ops/metrics.ts'
import { until } from '../support/wait.ts'

/** A queue over a database that commits when the test says so. */
function queueUnderTest() {
  const commits: { hashes: number; end(): void; fail(error: Error): void }[] = []
  const queue = createIntakeQueue({
    append: (chunks: IntakeChunk[]) =>
      new Promise((resolve, reject) => {
        const hashes = chunks.reduce((sum, chunk) => sum + chunk.hashes.length / 32, 0)
        commits.push({ hashes, end: () => resolve(0), fail: reject })
      }),
    limits: {
      maxPendingBytes: 2 ** 26,
      maxChunkHashes: 65_536,
      maxCommitBytes: 2 ** 22,
      commitsInFlight: 3,
    },
    metrics: createMetrics(),
  })
  const push = (hashes: number) => queue.push(1, Buffer.alloc(hashes * 32))
  const started = (count: number) => until(() => commits.length === count, { what: `commit ${count}` })
  return { queue, commits, push, started }
}

describe('group commit', () => {
  it('what arrives during a commit goes with the next, which starts before anybody is answered', async () => {
    const { commits, push, started } = queueUnderTest()
    const first = push(10)
    await started(1)
    const others = [push(1), push(1), push(1)]
    let startedWhenAnswered = 0
    void first.then(() => {
      startedWhenAnswered = commits.length
    })
    commits[0]!.end()
    await first
    expect(startedWhenAnswered).toBe(2)
    expect(commits[1]!.hashes).toBe(3)
    commits[1]!.end()
    await Promise.all(others)
  })

  it.each([
    { what: 'fewer than are in flight wait', inFlight: 10, next: 9, commits: [10] },
    { what: 'as many as are in flight do not', inFlight: 10, next: 10, commits: [10, 10] },
    { what: 'nor do 64 KB beside more', inFlight: 100_000, next: 2_048, commits: [100_000, 2_048] },
  ])('$what', async ({ inFlight, next, commits: expected }) => {
    const { commits, push } = queueUnderTest()
    // No commit becomes a slow one while the clock stands.
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const pushes = [push(inFlight)]
      await new Promise(setImmediate)
      pushes.push(push(next))
      await new Promise(setImmediate)
      expect(commits.map(({ hashes }) => hashes)).toEqual(expected)
      vi.useRealTimers()
      commits[0]!.end()
      await until(() => commits.length === 2, { what: 'the second commit' })
      commits[1]!.end()
      await Promise.all(pushes)
    } finally {
      vi.useRealTimers()
    }
  })

  it('much starts beside a commit at once, up to the limit', async () => {
    const { commits, push, started } = queueUnderTest()
    const pushes = Array.from({ length: 4 }, () => push(100_000))
    await started(3)
    expect(commits.map(({ hashes }) => hashes)).toEqual([100_000, 100_000, 100_000])
    commits[0]!.end()
    await started(4)
    for (const commit of commits) commit.end()
    await Promise.all(pushes)
  })

  it('little does not wait for a commit that hangs', async () => {
    const { commits, push, started } = queueUnderTest()
    const hanging = push(10)
    await started(1)
    const next = push(1)
    await started(2)
    commits[1]!.end()
    await next
    commits[0]!.end()
    await hanging
  })

  it('a commit that failed fails its own requests only, and the next goes on', async () => {
    const { queue, commits, push, started } = queueUnderTest()
    const first = push(1)
    await started(1)
    const second = push(1)
    const outcome = first.then(
      () => 'stored',
      (error: Error) => error.message,
    )
    commits[0]!.fail(new Error('gone'))
    expect(await outcome).toBe('gone')
    await started(2)
    commits[1]!.end()
    await second
    await queue.close()
    expect(queue.pending()).toEqual({ bytes: 0, requests: 0 })
  })
})
