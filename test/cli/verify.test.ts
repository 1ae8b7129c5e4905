import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  changed,
  startVectorChain,
  type VectorChain,
  vectors,
} from '../../clients/typescript/test/support/vector-chain.ts'
import { runHoldfast } from '../support/process.ts'

const OTHER = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const [receipt] = vectors.receipts
const anchor = receipt!.anchors[0]!

let folder: string
/** An honest endpoint, one whose receipt lacks the event, and one that is down. */
let chain: VectorChain
let [honest, liar, down] = ['', '', '']

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-verify-'))
  const mined = vectors.rpc.find(({ method }) => method === 'eth_getTransactionReceipt')!
  const lie = { ...mined, result: { ...(mined.result as object), logs: [] } }
  chain = await startVectorChain([[], [lie], { down: true }])
  ;[honest, liar, down] = chain.urls as [string, string, string]
})
afterAll(async () => {
  await chain.close()
  rmSync(folder, { recursive: true })
})

function file(name: string, content: unknown): string {
  const path = join(folder, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

async function verify(
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string; last: string }> {
  const run = runHoldfast(['verify', ...args], { env: {} })
  const { code } = await run.exit()
  const stdout = run.stdout()
  return { code, stdout, stderr: run.stderr(), last: stdout.trimEnd().split('\n').at(-1) ?? '' }
}

describe('holdfast verify', { timeout: 120_000 }, () => {
  it('exits with 0 for valid, and says what was not compared', async () => {
    const { code, last, stdout } = await verify(file('good.json', receipt), '--rpc', honest)
    expect(code).toBe(0)
    expect(last).toMatch(
      /^VALID: 0x8c98.* existed by 2026-01-01T00:05:00.000Z on eip155:31337, not final yet\. /,
    )
    expect(last).toContain('No document, record or hash was given to compare with.')
    expect(last).toContain(`Nobody named the publisher: ${anchor.publisher}.`)
    expect(stdout).not.toContain('\u001b[')
  })

  it('compares a document, a record or a hash, and says nothing is missing then', async () => {
    const good = file('good.json', receipt)
    const record = JSON.stringify(vectors.records[2])
    for (const subject of [
      ['--file', file('document', record)],
      ['--record', file('record.json', record)],
      ['--hash', receipt!.hash],
    ]) {
      const { code, last } = await verify(good, '--rpc', honest, '--publisher', anchor.publisher, ...subject)
      expect([code, last]).toEqual([0, expect.stringMatching(/^VALID: .* Asked 1 endpoint\.$/)])
    }
    const altered = await verify(good, '--rpc', honest, '--file', file('other', `${record}\n`))
    expect([altered.code, altered.last]).toEqual([
      1,
      expect.stringMatching(/^NOT VALID: The receipt is for 0x8c98/),
    ])
  })

  it('exits with 2 and both answers when endpoints disagree, in whatever order', async () => {
    const good = file('good.json', receipt)
    for (const urls of [
      [honest, liar],
      [liar, honest],
    ]) {
      const { code, last } = await verify(good, ...urls.flatMap((url) => ['--rpc', url]))
      expect(code).toBe(2)
      expect(last).toMatch(/^CONTRADICTED: The endpoints disagree\. Endpoint \d .*It confirms the anchor/)
      expect(last).toContain(`did not report root ${anchor.root}`)
    }
  })

  it('names endpoints that were not read, without FAIL, and takes --require', async () => {
    const good = file('good.json', receipt)
    const one = await verify(good, '--rpc', down, '--rpc', honest)
    expect(one.code).toBe(0)
    expect(one.last).toContain(`Asked 2 endpoints; not read: endpoint 1 (${new URL(down).host}): `)
    expect(one.stdout).not.toContain('FAIL')
    const two = await verify(good, '--rpc', down, '--rpc', honest, '--require', '2')
    expect([two.code, two.last]).toEqual([2, expect.stringMatching(/^UNDECIDED: eip155:31337 was not read/)])
    expect(two.stdout).not.toContain('FAIL')
  })

  it('takes registries and publishers by chain, and only the published registry otherwise', async () => {
    const good = file('good.json', receipt)
    const named = [`eip155:1=${OTHER}`, `eip155:31337=${anchor.publisher}`].flatMap((one) => [
      '--publisher',
      one,
    ])
    expect((await verify(good, '--rpc', honest, ...named)).code).toBe(0)
    expect((await verify(good, '--rpc', `eip155:31337=${honest}`, '--publisher', OTHER)).code).toBe(1)
    const elsewhere = file('elsewhere.json', changed({ set: { '/anchors/0/registry': OTHER } }))
    const unnamed = await verify(elsewhere, '--rpc', honest, '--publisher', anchor.publisher)
    expect([unnamed.code, unnamed.last]).toEqual([
      1,
      expect.stringContaining('name it as the registry of eip155:31337'),
    ])
    expect((await verify(good, '--rpc', honest, '--registry', OTHER)).code).toBe(1)
  })

  it('takes --final and --by', async () => {
    const good = file('good.json', receipt)
    const final = await verify(good, '--rpc', honest, '--final')
    expect([final.code, final.last]).toEqual([2, expect.stringMatching(/^NOT FINAL YET: /)])
    expect((await verify(good, '--rpc', honest, '--by', '2026-01-01T00:05:00Z')).code).toBe(0)
    const late = await verify(good, '--rpc', honest, '--by', '2026-01-01T00:04:59Z')
    expect([late.code, late.last]).toEqual([
      1,
      expect.stringContaining('which is after 2026-01-01T00:04:59.000Z'),
    ])
  })

  it('exits with 64 and more for what is no verdict', async () => {
    const good = file('good.json', receipt)
    const cases: [number, ...string[]][] = [
      [66, join(folder, 'missing.json')],
      [66, folder],
      [66, good, '--file', join(folder, 'missing')],
      [64, good, '--publisher', '0x12'],
      [64, good, '--require', '0'],
      [64, good, '--by', 'yesterday'],
      [64, good, '--nonsense'],
      [64],
      [64, good, '--hash', receipt!.hash, '--file', good],
      [65, good, '--hash', '0x12'],
    ]
    for (const [status, ...args] of cases) {
      const { code, stdout, stderr } = await verify(...args, '--rpc', honest)
      expect([code, stdout], args.join(' ')).toEqual([status, ''])
      expect(stderr).not.toBe('')
    }
    expect((await verify('--help')).code).toBe(0)
  })

  it('prints the whole verification as JSON', async () => {
    const { code, stdout } = await verify(file('good.json', receipt), '--rpc', honest, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ valid: true, verdict: 'anchored', reason: null, final: false })
  })
})
