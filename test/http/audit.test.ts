import { createHash } from 'node:crypto'
import { parseReceipt } from 'holdfast-client'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/hash.ts'
import type { Receipt } from '../../src/core/receipt.ts'
import { recordHash } from '../../src/core/record-hash.ts'
import { leafOf } from '../../src/merkle/path.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const digest = (n: number) => createHash('sha256').update(`record ${n}`).digest()
const COUNT = 300
const hashes = Array.from({ length: COUNT }, (_, i) => digest(i))
const late = digest(COUNT)
const RECORD = { invoice: 7 }

let server: ServerUnderTest
let root: Buffer

type Sealed = { batchId: number; root: Buffer; leafCount: number }

async function pushAndSeal(on: ServerUnderTest, leaves: Buffer[]): Promise<Sealed> {
  await on.call('/v1/records', {
    method: 'POST',
    body: Buffer.concat(leaves),
    headers: { 'content-type': 'application/octet-stream' },
  })
  return { ...(await on.seal()), leafCount: leaves.length }
}

/** Writes down that the batch's root, alone, is mined. */
async function anchored(on: ServerUnderTest, { batchId, root, leafCount }: Sealed): Promise<void> {
  const { rows } = await on.database.pool.query(
    `insert into anchor (chain_id, registry, publisher, mode, root, state, first_batch, last_batch, leaf_count, anchor_by,
       transaction_hash, block_number, block_hash, block_time)
     values (31337, $1, $2, 'storage', $3, 'mined', $4, $4, $5, now(), $6, 12, $7, '2100-01-01T00:00:00Z') returning id`,
    [
      '0x5FbDB2315678afecb367f032d93F642f64180aa3',
      '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
      root,
      batchId,
      leafCount,
      digest(-1),
      digest(-2),
    ],
  )
  await on.database.pool.query('insert into anchor_batch (batch_id, anchor_id, path) values ($1, $2, $3)', [
    batchId,
    rows[0].id,
    Buffer.alloc(0),
  ])
}

/** Batch 1 is anchored and mined; batch 2 holds `late` and RECORD, and is in no anchor. */
beforeAll(async () => {
  server = await startServer()
  const first = await pushAndSeal(server, hashes)
  root = first.root
  await pushAndSeal(server, [late, recordHash(RECORD)])
  await anchored(server, first)
})
afterAll(() => server.close())

async function json(path: string, init?: Parameters<ServerUnderTest['call']>[1]) {
  const response = await server.call(path, init)
  return {
    response,
    status: response.status,
    body: (await response.json()) as never as Record<string, never>,
  }
}

function ask(path: string, body: unknown) {
  return server.call(path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    key: null,
  })
}

describe('GET /v1/records/{hash}', () => {
  it('tells where a record stands, whatever way its hash is written', async () => {
    const hex = hashes[5]!.toString('hex')
    for (const text of [hex, `0x${hex.toUpperCase()}`]) {
      const { status, body } = await json(`/v1/records/${text}`, { key: null })
      expect(status).toBe(200)
      expect(body).toMatchObject({
        hash: `0x${hex}`,
        status: 'anchored',
        source: 'source 0',
        batch: { id: '1', leafIndex: 5 },
        anchors: [{ chainId: 'eip155:31337', state: 'mined', blockNumber: 12 }],
      })
    }
    expect((await json(`/v1/records/${toHex(late)}`)).body).toMatchObject({ status: 'sealed', anchors: [] })
  })

  it('refuses what is not a hash, and does not know what was never pushed', async () => {
    expect(await json('/v1/records/abc')).toMatchObject({ status: 400, body: { code: 'INVALID_HASH' } })
    expect(await json(`/v1/records/${'ab'.repeat(40)}`)).toMatchObject({
      status: 400,
      body: { code: 'INVALID_HASH' },
    })
    expect(await json(`/v1/records/${toHex(digest(9999))}`)).toMatchObject({
      status: 404,
      body: { code: 'UNKNOWN_RECORD' },
    })
  })
})

describe('receipts', () => {
  it('are given once an anchor is mined, and verify with merkletreejs', async () => {
    const { status, body } = await json(`/v1/records/${toHex(hashes[17]!)}/receipt`, { key: null })
    expect(status).toBe(200)
    const receipt = parseReceipt(body)
    const proof = receipt.path.map((node) => Buffer.from(node.slice(2), 'hex'))
    expect(MerkleTree.verify(proof, leafOf(hashes[17]!), root, keccak256, { sortPairs: true })).toBe(true)
  })

  it('are 202 with Retry-After before, and 404 for an unknown hash', async () => {
    const { response, body } = await json(`/v1/records/${toHex(late)}/receipt`)
    expect(response.status).toBe(202)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(body).toMatchObject({ hash: toHex(late), status: 'sealed' })
    expect((await json(`/v1/records/${toHex(digest(9999))}/receipt`)).status).toBe(404)
  })

  it('are for the earliest leaf whose anchor stands, though an earlier one is in none yet', async () => {
    const own = await startServer()
    try {
      const twice = digest(1)
      const first = await pushAndSeal(own, [digest(2), twice])
      const second = await pushAndSeal(own, [twice, digest(3)])
      const third = await pushAndSeal(own, [twice])
      const receiptOf = async () => {
        const response = await own.call(`/v1/records/${twice.toString('hex')}/receipt`)
        return { status: response.status, body: (await response.json()) as Partial<Receipt> }
      }
      expect(await receiptOf()).toMatchObject({ status: 202 })
      await anchored(own, third)
      await anchored(own, second)
      expect(await receiptOf()).toMatchObject({ status: 200, body: { batch: { id: '2', leafIndex: 0 } } })
      await anchored(own, first)
      expect(await receiptOf()).toMatchObject({ status: 200, body: { batch: { id: '1', leafIndex: 1 } } })
    } finally {
      await own.close()
    }
  })

  it('come many at once, a line each, in order', async () => {
    const asked = [late, ...hashes, digest(9999)].map(toHex)
    const response = await ask('/v1/receipts', { hashes: asked })
    expect(response.headers.get('content-type')).toContain('application/x-ndjson')
    const text = await response.text()
    expect(text.endsWith('\n')).toBe(true)
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { hash: string; status?: string })
    expect(lines.map(({ hash }) => hash)).toEqual(asked)
    expect(lines[0]!.status).toBe('sealed')
    expect(lines.at(-1)!.status).toBe('unknown')
    for (const line of lines.slice(1, -1)) expect(parseReceipt(line).anchors).toHaveLength(1)
  })

  it.each([
    ['no hashes', { hashes: [] }, 'EMPTY'],
    ['too many', { hashes: Array(1_001).fill('ab'.repeat(32)) }, 'TOO_MANY_ITEMS'],
    ['a bad hash', { hashes: ['ab'.repeat(32), 'x'] }, 'INVALID_HASH'],
    ['something else', { hash: 'ab'.repeat(32) }, 'INVALID_REQUEST'],
    ['bad JSON', '{', 'INVALID_JSON'],
  ])('are refused for %s', async (_name, body, code) => {
    expect(await (await ask('/v1/receipts', body)).json()).toMatchObject({ code })
  })

  it('stop when the reader goes away, without an error here', async () => {
    const abort = new AbortController()
    const response = await fetch(`${server.url}/v1/receipts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ hashes: Array(1_000).fill(toHex(hashes[0]!)) }),
      signal: abort.signal,
    })
    await response.body!.getReader().read()
    abort.abort()
    expect((await json('/livez')).status).toBe(200)
    expect(server.logs()).not.toContain('"level":"error"')
  })
})

describe('POST /v1/verify', () => {
  it('checks a receipt, a hash or a record, and says what it could not read', async () => {
    const { body: receipt } = await json(`/v1/records/${toHex(hashes[3]!)}/receipt`)
    for (const body of [{ receipt }, { hash: toHex(hashes[3]!) }]) {
      const verdict = (await (await ask('/v1/verify', body)).json()) as {
        checks: { name: string; ok: boolean }[]
      }
      expect(verdict).toMatchObject({ valid: false, conclusive: false, hash: toHex(hashes[3]!) })
      expect(verdict).toMatchObject({ verdict: 'unknown', reason: 'unread', final: false })
      expect(verdict.checks.find(({ name }) => name === 'format')).toMatchObject({ ok: true })
      expect(verdict.checks.find(({ name }) => name === 'anchors[0].known')).toMatchObject({ ok: true })
    }
    expect(await (await ask('/v1/verify', { record: RECORD })).json()).toMatchObject({
      valid: false,
      verdict: 'sealed',
      hash: toHex(recordHash(RECORD)),
      checks: [{ name: 'anchored', ok: false }],
    })
    expect(await (await ask('/v1/verify', { record: { invoice: 8 } })).json()).toMatchObject({
      valid: false,
      verdict: 'unknown',
      checks: [{ name: 'known', ok: false }],
    })
    expect(await (await ask('/v1/verify', { receipt: { format: 'x' } })).json()).toMatchObject({
      valid: false,
      conclusive: true,
      hash: null,
    })
  })

  it('vouches for its own anchors only, as its database has them', async () => {
    const { body } = await json(`/v1/records/${toHex(hashes[3]!)}/receipt`)
    const receipt = parseReceipt(body)
    const [anchor] = receipt.anchors
    const other = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
    for (const change of [{ registry: other }, { publisher: other }, { chainId: 'eip155:1' }]) {
      const changed = { ...receipt, anchors: [{ ...anchor, ...change }] }
      const verdict = await (await ask('/v1/verify', { receipt: changed })).json()
      expect(verdict).toMatchObject({ valid: false, verdict: 'unknown', reason: 'unread' })
      expect(verdict).toMatchObject({
        headline: expect.stringContaining('This installation has no such anchor'),
      })
    }
    for (const change of [
      { blockNumber: 13 },
      { blockTime: '2100-01-01T00:00:01.000Z' },
      { blockHash: toHex(root) },
    ]) {
      const changed = { ...receipt, anchors: [{ ...anchor, ...change }] }
      const verdict = await (await ask('/v1/verify', { receipt: changed })).json()
      expect(verdict).toMatchObject({
        valid: false,
        conclusive: true,
        verdict: 'contradicted',
        reason: 'chain',
      })
      expect(verdict).toMatchObject({ headline: expect.stringContaining(`not ${Object.values(change)[0]}`) })
    }
  })

  it('refuses two kinds at once and other keys', async () => {
    for (const body of [{ hash: 'ab'.repeat(32), record: 1 }, { reciept: {} }, {}, []]) {
      const response = await ask('/v1/verify', body)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ code: 'INVALID_REQUEST' })
    }
  })
})

describe('lists', () => {
  it('show batches and anchors, newest first, page by page', async () => {
    const first = await json('/v1/batches?limit=1')
    expect(first.body).toMatchObject({
      batches: [{ id: '2', leafCount: 2, firstIndex: COUNT, anchors: [] }],
      next: '2',
    })
    const second = await json('/v1/batches?limit=1&before=2')
    expect(second.body).toMatchObject({
      batches: [{ id: '1', root: toHex(root), anchors: ['1'] }],
      next: '1',
    })
    expect((await json('/v1/batches?before=1')).body).toEqual({ batches: [], next: null })
    expect((await json('/v1/batches/1')).body).toMatchObject({ id: '1', leafCount: COUNT })
    const anchors = await json('/v1/anchors')
    expect(anchors.body).toMatchObject({
      anchors: [{ id: '1', chainId: 'eip155:31337', state: 'mined' }],
      next: null,
    })
    expect((await json('/v1/anchors/1')).body).toMatchObject({ blockTime: '2100-01-01T00:00:00.000Z' })
  })

  it('serve tiles as octets that may be kept for ever', async () => {
    const response = await server.call('/v1/batches/1/tiles/0/1')
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(response.headers.get('cache-control')).toContain('immutable')
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.concat(hashes.slice(256)))
  })

  it.each([
    ['/v1/batches/99', 404, 'NOT_FOUND'],
    ['/v1/batches/99999999999', 404, 'NOT_FOUND'],
    ['/v1/batches/1/tiles/3/0', 404, 'NOT_FOUND'],
    ['/v1/batches/1/tiles/300/0', 404, 'NOT_FOUND'],
    ['/v1/anchors/9007199254740993', 404, 'NOT_FOUND'],
    ['/v1/batches/x', 400, 'INVALID_REQUEST'],
    ['/v1/batches/-1', 400, 'INVALID_REQUEST'],
    ['/v1/batches?limit=0', 400, 'INVALID_REQUEST'],
    ['/v1/batches?limit=1001', 400, 'INVALID_REQUEST'],
    ['/v1/batches?limit=x', 400, 'INVALID_REQUEST'],
    ['/v1/batches?before=x', 400, 'INVALID_REQUEST'],
    ['/v1/anchors?lmit=5', 400, 'INVALID_REQUEST'],
  ])('%s is %i', async (path, status, code) => {
    expect(await json(path)).toMatchObject({ status, body: { code } })
  })
})
