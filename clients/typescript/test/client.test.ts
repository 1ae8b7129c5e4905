import { createHash, randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import vectors from '../../../test/vectors/canonical.json' with { type: 'json' }
import {
  keccakHex,
  publisher,
  receiptOf,
  registryAddress,
  someHashes,
} from '../../../test/verify/make-receipt.ts'
import { type ClientSettings, createHoldfastClient, type Hex, HoldfastError } from '../src/index.ts'
import { type Reply, type Seen, startLittleServer } from './support/little-server.ts'

const RECEIVED = '2026-01-31T09:30:00.000Z'
const BY = '2026-01-31T10:30:00.000Z'
const accepted = (request: Seen): Reply => {
  return { status: 202, json: { accepted: request.body.length / 32, receivedAt: RECEIVED, anchorBy: BY } }
}
const sha256 = (text: string): Hex => `0x${createHash('sha256').update(text).digest('hex')}`

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function setUp(
  answer: (request: Seen, number: number) => Reply | Promise<Reply>,
  more: Partial<ClientSettings> = {},
) {
  const server = await startLittleServer(answer)
  closers.push(server.close)
  const pauses: number[] = []
  const client = createHoldfastClient({
    url: server.url,
    pause: async (ms, signal) => {
      signal?.throwIfAborted()
      pauses.push(ms)
    },
    ...more,
  })
  const octets = () => Buffer.concat(server.seen.map(({ body }) => body))
  return { client, pauses, seen: server.seen, octets }
}

async function refusal(promise: Promise<unknown>): Promise<HoldfastError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof HoldfastError) return error
  throw new Error('did not reject with a HoldfastError', { cause: error })
}

describe('pushing hashes', () => {
  it('sends octets with the key, and says when they are anchored', async () => {
    const { client, seen } = await setUp(accepted, { apiKey: 'hf_key' })
    const hashes = randomBytes(32 * 3)
    expect(await client.push(hashes)).toEqual({ accepted: 3, receivedAt: RECEIVED, anchorBy: BY })
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ method: 'POST', path: '/v1/records', body: hashes })
    expect(seen[0]?.headers).toMatchObject({
      authorization: 'Bearer hf_key',
      'content-type': 'application/octet-stream',
    })
  })

  it('takes hashes one by one, as bytes or as text, from an iterable or a stream', async () => {
    const hashes = [randomBytes(32), randomBytes(32), randomBytes(32)]
    const mixed = [hashes[0]!, hashes[1]!.toString('hex').toUpperCase(), `0x${hashes[2]!.toString('hex')}`]
    for (const source of [
      mixed,
      new Set(mixed),
      (async function* () {
        yield* mixed
      })(),
    ]) {
      const { client, octets } = await setUp(accepted)
      expect((await client.push(source)).accepted).toBe(3)
      expect(octets()).toEqual(Buffer.concat(hashes))
    }
  })

  it('slices what is large, keeps the order, and reports progress', async () => {
    const { client, seen, octets } = await setUp(accepted)
    const hashes = randomBytes(32 * 150_000)
    const progress: number[] = []
    const result = await client.push(hashes, { onAccepted: (sofar) => progress.push(sofar) })
    expect(result.accepted).toBe(150_000)
    expect(progress).toEqual([65_536, 131_072, 150_000])
    expect(seen).toHaveLength(3)
    expect(octets().equals(hashes)).toBe(true)
  })

  it('sends nothing when there is nothing', async () => {
    const { client, seen } = await setUp(accepted)
    for (const nothing of [new Uint8Array(0), []]) {
      expect(await client.push(nothing)).toEqual({ accepted: 0, receivedAt: null, anchorBy: null })
    }
    expect(seen).toEqual([])
  })

  it('refuses what is not 32 bytes, and says which', async () => {
    const { client, seen } = await setUp(accepted)
    expect(await refusal(client.push(new Uint8Array(33)))).toMatchObject({ code: 'INVALID_HASH' })
    const error = await refusal(client.push([randomBytes(32), new Uint8Array(20)]))
    expect(error).toMatchObject({ code: 'INVALID_HASH', context: { index: 1, accepted: 0 } })
    expect(error.message).toContain('SHA-256')
    expect(await refusal(client.push(['12']))).toMatchObject({ code: 'INVALID_HASH', context: { index: 0 } })
    expect(seen).toEqual([])
  })
})

describe('a busy or broken daemon', () => {
  const busy = (code: string, status: number, after?: string): Reply => {
    const headers: Record<string, string> = after === undefined ? {} : { 'retry-after': after }
    return { status, headers, json: { code, status, detail: 'Come back.' } }
  }

  it('is asked again after the time it names, with jitter', async () => {
    const { client, pauses } = await setUp((request, n) => {
      return [busy('OVERLOADED', 503, '2'), busy('QUOTA_EXCEEDED', 429, '7')][n] ?? accepted(request)
    })
    expect((await client.push(randomBytes(32))).accepted).toBe(1)
    expect(pauses).toHaveLength(2)
    expect(pauses[0]).toBeGreaterThanOrEqual(2000)
    expect(pauses[0]).toBeLessThanOrEqual(2500)
    expect(pauses[1]).toBeGreaterThanOrEqual(7000)
    expect(pauses[1]).toBeLessThanOrEqual(8750)
  })

  it('is asked again when the connection breaks or a proxy answers, and waits longer each time', async () => {
    const replies: Reply[] = ['hang up', { status: 502, text: '<html>' }, { status: 503, text: '' }]
    const { client, pauses, octets } = await setUp((request, n) => replies[n] ?? accepted(request))
    const hash = randomBytes(32)
    expect((await client.push(hash)).accepted).toBe(1)
    expect(octets()).toEqual(Buffer.concat([hash, hash, hash, hash]))
    expect(pauses).toHaveLength(3)
    pauses.forEach((pause, i) => {
      expect(pause).toBeGreaterThanOrEqual(250 * 2 ** i)
      expect(pause).toBeLessThanOrEqual(250 * 2 ** i + Math.max(250, 62.5 * 2 ** i))
    })
  })

  it('is given up when the patience is over, with its own code and what was stored before', async () => {
    const { client, seen } = await setUp(
      (request, n) => (n === 0 ? accepted(request) : busy('OVERLOADED', 503)),
      { patienceMs: 0 },
    )
    const error = await refusal(client.push(randomBytes(32 * 100_000)))
    expect(error).toMatchObject({ code: 'OVERLOADED', message: 'Come back.', context: { accepted: 65_536 } })
    expect(seen).toHaveLength(2)
  })

  it('is given up before the deadline of the call, with its last words', async () => {
    const { client } = await setUp(() => busy('OVERLOADED', 503), { pause: undefined })
    const startedAt = performance.now()
    const error = await refusal(client.push(randomBytes(32), { deadlineMs: 900 }))
    expect(error).toMatchObject({ code: 'TIMED_OUT', kind: 'retry', context: { accepted: 0 } })
    expect(error.message).toContain('Come back.')
    expect(performance.now() - startedAt).toBeLessThan(900)
  })

  it('is left when the deadline passes in the middle of an answer, or of a stream that keeps silent', async () => {
    const { client } = await setUp(() => new Promise<Reply>(() => {}))
    expect(await refusal(client.status({ deadlineMs: 100 }))).toMatchObject({ code: 'TIMED_OUT' })
    const silent = (async function* () {
      yield randomBytes(32)
      await new Promise(() => {})
    })()
    const { client: answered } = await setUp(accepted)
    const error = await refusal(answered.push(silent, { deadlineMs: 400, lingerMs: 20 }))
    expect(error).toMatchObject({ code: 'TIMED_OUT', context: { accepted: 1 } })
  })

  it('is outlasted while it restarts', async () => {
    const first = await startLittleServer(accepted)
    const port = Number(new URL(first.url).port)
    await first.close()
    const client = createHoldfastClient({ url: first.url })
    const pushed = client.push(randomBytes(32 * 10))
    const second = await startLittleServer(accepted, { port, afterMs: 300 })
    closers.push(second.close)
    expect((await pushed).accepted).toBe(10)
  })

  it('that says of less or more hashes that they are stored is not believed', async () => {
    const lies: Reply[] = [
      { status: 202, json: { accepted: 2, receivedAt: RECEIVED, anchorBy: BY } },
      { status: 202, json: { accepted: 4, receivedAt: RECEIVED, anchorBy: BY } },
      { status: 200, json: { accepted: 3, receivedAt: RECEIVED, anchorBy: BY } },
      { status: 202, json: { accepted: 3, anchorBy: BY } },
      { status: 202, json: {} },
    ]
    for (const lie of lies) {
      const { client } = await setUp(() => lie)
      const error = await refusal(client.push(randomBytes(96)))
      expect(error).toMatchObject({ code: 'WRONG_ANSWER', kind: 'stop', context: { accepted: 0 } })
    }
    const { client } = await setUp(() => ({ status: 200, text: '<html>Sign in</html>' }))
    expect(await refusal(client.push(randomBytes(96)))).toMatchObject({ code: 'UNREACHABLE' })
  })

  it('that takes less at once gets less at once', async () => {
    const { client, octets } = await setUp((request) => {
      const tooLarge = { status: 413, json: { code: 'PAYLOAD_TOO_LARGE', detail: 'Too large.' } }
      return request.body.length > 40 * 1024 ? tooLarge : accepted(request)
    })
    const hashes = randomBytes(32 * 5_000)
    expect((await client.push(hashes)).accepted).toBe(5_000)
    expect(octets().length).toBeGreaterThan(hashes.length)
  })

  it('that is not there at all is UNREACHABLE', async () => {
    const client = createHoldfastClient({ url: 'http://127.0.0.1:1', patienceMs: 0 })
    expect(await refusal(client.status())).toMatchObject({ code: 'UNREACHABLE', kind: 'retry' })
  })

  it('that never answers is UNREACHABLE in time', async () => {
    const { client } = await setUp(() => new Promise<Reply>(() => {}), { timeoutMs: 100, patienceMs: 0 })
    expect((await refusal(client.status())).message).toContain('too long')
  })

  it('that refuses is not asked again, and its words come through', async () => {
    const problem = { code: 'INVALID_HASH', detail: 'Item 3 is short.', index: 3, status: 400 }
    const { client, seen } = await setUp(() => ({ status: 400, json: problem }))
    const error = await refusal(client.status())
    expect(error).toMatchObject({ code: 'INVALID_HASH', message: 'Item 3 is short.', context: { index: 3 } })
    expect(seen).toHaveLength(1)
  })

  it('of a later version with unknown codes still gives the right kind of error', async () => {
    for (const [status, kind] of [
      [400, 'reject'],
      [401, 'reject'],
      [500, 'stop'],
      [503, 'retry'],
    ] as const) {
      const answer = { status, json: { code: 'BRAND_NEW', detail: 'New.' } }
      const { client } = await setUp(() => answer, { patienceMs: 0 })
      expect(await refusal(client.status())).toMatchObject({
        code: 'BRAND_NEW',
        kind,
        message: 'New.',
        status,
      })
    }
  })

  it('stops being asked when the caller aborts', async () => {
    const stop = new AbortController()
    const { client } = await setUp(() => {
      stop.abort(new Error('enough'))
      return busy('OVERLOADED', 503)
    })
    await expect(client.push(randomBytes(32), { signal: stop.signal })).rejects.toThrow('enough')
  })

  it('must have an http URL', () => {
    for (const url of ['', 'localhost:8080', 'ftp://x', 'http://']) {
      expect(() => createHoldfastClient({ url })).toThrow(HoldfastError)
    }
  })
})

describe('pushing a stream', () => {
  it('sends what has come when the stream pauses, and holds one slice and one block at most', async () => {
    const { client, seen } = await setUp(accepted)
    let asked = 0
    let go = () => {}
    const stream = (async function* () {
      for (asked = 1; asked <= 3; asked++) yield randomBytes(32)
      await new Promise<void>((done) => (go = done))
      yield randomBytes(32)
    })()
    const stored: number[] = []
    const pushed = client.push(stream, {
      lingerMs: 50,
      onAccepted(n) {
        stored.push(n)
        go()
      },
    })
    expect((await pushed).accepted).toBe(4)
    expect(stored).toEqual([3, 4])
    expect(seen.map(({ body }) => body.length)).toEqual([96, 32])
  })

  it('asks the source for no more while a request is under way', async () => {
    let given = 0
    let mostAhead = 0
    let stored = 0
    const { client } = await setUp((request) => {
      mostAhead = Math.max(mostAhead, given - stored)
      stored += request.body.length / 32
      return accepted(request)
    })
    const stream = (async function* () {
      for (; given < 200_000; given++) yield randomBytes(32)
    })()
    expect((await client.push(stream)).accepted).toBe(200_000)
    expect(mostAhead).toBeLessThanOrEqual(65_536 + 1)
  })

  it('stores what came before the stream broke, and says how much', async () => {
    const { client } = await setUp(accepted)
    const stream = (async function* () {
      yield randomBytes(32)
      yield 'not a hash'
    })()
    expect(await refusal(client.push(stream))).toMatchObject({
      code: 'INVALID_HASH',
      context: { index: 1, accepted: 1 },
    })
    const broken = (async function* () {
      yield randomBytes(32)
      throw new RangeError('the disk')
    })()
    await expect(client.push(broken)).rejects.toThrow('the disk')
  })

  it('takes one hash as it is written', async () => {
    const { client, octets } = await setUp(accepted)
    expect((await client.push(sha256('a'))).accepted).toBe(1)
    expect(`0x${octets().toString('hex')}`).toBe(sha256('a'))
  })
})

describe('pushing documents', () => {
  it('hashes them here, whatever they come as', async () => {
    const text = 'a document'.repeat(10_000)
    const bytes = new TextEncoder().encode(text)
    const pieces = [bytes.subarray(0, 7), bytes.subarray(7)]
    const documents = [
      bytes,
      new Blob([bytes]),
      new Blob([bytes]).stream(),
      pieces,
      (async function* () {
        yield* pieces
      })(),
    ]
    for (const document of documents) {
      const { client, octets } = await setUp(accepted)
      expect(await client.pushFile(document)).toMatchObject({ accepted: 1, hash: sha256(text) })
      expect(`0x${octets().toString('hex')}`).toBe(sha256(text))
    }
  })
})

describe('pushing records', () => {
  it('hashes them here, as the golden vectors say', async () => {
    const { client, octets } = await setUp(accepted)
    const records = vectors.cases.map(({ text }) => JSON.parse(text) as unknown)
    const large = vectors.cases.findIndex(({ name }) => name === 'large and small numbers')
    records.splice(large, 1)
    const expected = vectors.cases.filter((_, i) => i !== large).map(({ sha256 }) => `0x${sha256}`)
    const result = await client.pushRecords(records)
    expect(result.hashes).toEqual(expected)
    expect(result.accepted).toBe(records.length)
    expect(octets().toString('hex')).toBe(expected.map((hex) => hex.slice(2)).join(''))
  })

  it('refuses all when one has no canonical form or an integer that JSON readers disagree on', async () => {
    const { client, seen } = await setUp(accepted)
    for (const bad of [Number.NaN, { at: new Date(0) }, 2 ** 53, 10n, undefined]) {
      const error = await refusal(client.pushRecords([{ fine: 1 }, bad]))
      expect(error).toMatchObject({ code: 'INVALID_RECORD', context: { index: 1 } })
    }
    expect(seen).toEqual([])
  })
})

describe('pushing lines', () => {
  const a = sha256('a')
  const record = { b: 1, a: 'ü' }
  const recordText = JSON.stringify(record)
  const recordSha = sha256('{"a":"ü","b":1}')

  it('takes every form of line, CRLF, blank lines, and a last line without an end', async () => {
    const lines = [
      a,
      a.slice(2).toUpperCase(),
      `"${a}"`,
      ` {"hash":"${a}"} `,
      '',
      `{"record":${recordText}}`,
      `{"hash":"\\u0030x${a.slice(2)}"}`,
    ]
    for (const end of ['\n', '\r\n', '\n\n']) {
      const { client, octets } = await setUp(accepted)
      const result = await client.pushLines([lines.join(end)])
      expect(result.accepted).toBe(6)
      const expected = [a, a, a, a, recordSha, a].map((hex) => hex.slice(2)).join('')
      expect(octets().toString('hex')).toBe(expected)
    }
  })

  it('takes lines as records when asked to', async () => {
    const { client, octets } = await setUp(accepted)
    await client.pushLines([`${recordText}\n"${a}"\n`], { lines: 'records' })
    expect(octets().toString('hex')).toBe(recordSha.slice(2) + sha256(`"${a}"`).slice(2))
  })

  it('may be cut into octets anywhere, in the middle of a character too', async () => {
    const bytes = Buffer.from(`"${a}"\n{"record":${recordText}}\n${a}`)
    for (const size of [1, 2, 7, 64, 1000]) {
      const { client, octets } = await setUp(accepted)
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      )
      expect((await client.pushLines(pieces)).accepted).toBe(3)
      expect(octets().toString('hex')).toBe([a, recordSha, a].map((hex) => hex.slice(2)).join(''))
    }
  })

  it('stops at a bad line, after pushing what came before it, and names both', async () => {
    const bad: [string, string][] = [
      ['{"hash":"12"}', 'INVALID_HASH'],
      ['12', 'INVALID_REQUEST'],
      ['{"record":{"a":1,"a":2}}', 'INVALID_RECORD'],
      ['{"record":1e999}', 'INVALID_RECORD'],
      ['{"hash":', 'INVALID_JSON'],
      [`{"hash":"${a}","record":1}`, 'INVALID_REQUEST'],
      ['{}', 'INVALID_REQUEST'],
    ]
    for (const [line, code] of bad) {
      const { client, octets } = await setUp(accepted)
      const error = await refusal(client.pushLines([`${a}\n\n${a}\n${line}\n${a}`]))
      expect(error, line).toMatchObject({ code, context: { line: 4, accepted: 2 } })
      expect(octets()).toHaveLength(64)
    }
  })

  it('refuses what is not UTF-8', async () => {
    const { client } = await setUp(accepted)
    const error = await refusal(client.pushLines([Buffer.from(`${a}\n`), Buffer.from([0x22, 0xff, 0x22])]))
    expect(error).toMatchObject({ code: 'INVALID_ENCODING', context: { line: 2, accepted: 1 } })
  })
})

describe('asking for a record', () => {
  const hash = keccakHex('record')
  const unknown: Reply = { status: 404, json: { code: 'UNKNOWN_RECORD', detail: 'Unknown.' } }
  const pending: Reply = {
    status: 202,
    headers: { 'retry-after': '3' },
    json: { hash, status: 'sealed', anchorBy: BY },
  }
  const anchor = {
    chainId: 'eip155:31337' as const,
    registry: registryAddress,
    publisher,
    root: keccakHex('root'),
    path: [],
    transactionHash: keccakHex('transaction'),
    blockNumber: 12,
    blockHash: keccakHex('block'),
    blockTime: RECEIVED,
    status: 'mined' as const,
  }
  const receipt = receiptOf(someHashes(3), 1, [anchor])
  const own = receipt.hash
  const pendingOwn = { ...pending, json: { hash: own, status: 'sealed', anchorBy: BY } }

  it('gives its state, or null', async () => {
    const state = {
      hash,
      status: 'sealed',
      receivedAt: RECEIVED,
      source: 'x',
      batch: { id: '1', leafIndex: 0 },
      anchors: [],
      anchorBy: BY,
    }
    const { client, seen } = await setUp((_, n) => (n === 0 ? { json: state } : unknown))
    expect(await client.record(hash.toUpperCase().slice(2))).toEqual(state)
    expect(seen[0]?.path).toBe(`/v1/records/${hash}`)
    expect(await client.record(hash)).toBeNull()
  })

  it('gives its receipt, what is still pending, or null', async () => {
    const { client } = await setUp((_, n) => [{ json: receipt }, pending, unknown][n] as Reply)
    expect(await client.receipt(own)).toEqual({ kind: 'receipt', receipt })
    expect(await client.receipt(hash)).toEqual({
      kind: 'pending',
      status: 'sealed',
      anchorBy: BY,
      retryAfter: 3,
    })
    expect(await client.receipt(hash)).toBeNull()
  })

  it('is an error when the answer is for another hash, or no receipt', async () => {
    const replies: Reply[] = [
      { json: receipt },
      pendingOwn,
      { json: { ...receipt, hash, extra: 1 } },
      { json: { format: 'x' } },
    ]
    for (const reply of replies) {
      const { client } = await setUp(() => reply)
      expect(await refusal(client.receipt(hash))).toMatchObject({ code: 'WRONG_ANSWER', kind: 'stop' })
      expect(await refusal(client.waitFor(hash, 'anchored'))).toMatchObject({ code: 'WRONG_ANSWER' })
    }
    const { client } = await setUp(() => ({ json: { hash: own, status: 'sealed' } }))
    expect(await refusal(client.record(hash))).toMatchObject({ code: 'WRONG_ANSWER' })
    const lines = [
      JSON.stringify(receipt),
      JSON.stringify({ hash: own, status: 'sealed' }),
      '{"hash":',
      'null',
    ]
    for (const line of lines) {
      const { client } = await setUp(() => ({ text: `${line}\n` }))
      const first = client.receipts([hash]).next()
      expect(await refusal(first), line).toMatchObject({ code: 'WRONG_ANSWER' })
    }
  })

  it('is an error, not null, when the URL is not a daemon', async () => {
    const { client } = await setUp(() => ({ status: 404, text: 'nothing here' }))
    expect(await refusal(client.record(hash))).toMatchObject({ code: 'NOT_FOUND' })
    const html = await setUp(() => ({ text: '<html>' }))
    expect(await refusal(html.client.record(hash))).toMatchObject({ code: 'UNREACHABLE' })
  })

  it('gives many receipts, a thousand a request', async () => {
    const hashes = someHashes(1_002)
    const { client, seen } = await setUp((request) => {
      const asked = (JSON.parse(request.body.toString()) as { hashes: Hex[] }).hashes
      const text = asked
        .map((one) => JSON.stringify(one === receipt.hash ? receipt : { hash: one, status: 'sealed' }))
        .join('\n')
      return { text: `${text}\n` }
    })
    const answers = []
    for await (const answer of client.receipts(hashes)) answers.push(answer)
    expect(answers.map((answer) => answer.hash)).toEqual(hashes)
    expect(answers[1]).toEqual(receipt)
    expect(seen.map(({ body }) => (JSON.parse(body.toString()) as { hashes: Hex[] }).hashes.length)).toEqual([
      1000, 2,
    ])
  })

  it('goes on where an answer with many receipts broke off', async () => {
    const hashes = someHashes(10)
    const { client, seen } = await setUp((request) => {
      const asked = (JSON.parse(request.body.toString()) as { hashes: Hex[] }).hashes
      const lines = asked.map((one) => `${JSON.stringify({ hash: one, status: 'sealed' })}\n`)
      return { text: lines.slice(0, 3).join('') + (lines[3]?.slice(0, 40) ?? '') }
    })
    const answers = []
    for await (const answer of client.receipts(hashes)) answers.push(answer.hash)
    expect(answers).toEqual(hashes)
    expect(seen).toHaveLength(4)
  })

  it('takes hashes of any number, as they come', async () => {
    const { client, seen } = await setUp((request) => {
      const asked = (JSON.parse(request.body.toString()) as { hashes: Hex[] }).hashes
      return { text: asked.map((one) => `${JSON.stringify({ hash: one, status: 'unknown' })}\n`).join('') }
    })
    const hashes = someHashes(2_500)
    const stream = (async function* () {
      yield* hashes
    })()
    let count = 0
    for await (const answer of client.receipts(stream)) expect(answer.hash).toBe(hashes[count++])
    expect([count, seen.length]).toEqual([2_500, 3])
  })

  it('waits for the receipt while the record is unknown, pending, or the daemon away', async () => {
    const away: Reply = {
      status: 503,
      headers: { 'retry-after': '1' },
      json: { code: 'DATABASE_UNAVAILABLE', detail: 'Away.' },
    }
    const replies: Reply[] = [unknown, pendingOwn, away, { json: receipt }]
    const { client, pauses } = await setUp((_, n) => replies[n] as Reply, { patienceMs: 0 })
    expect(await client.waitFor(own, 'anchored')).toEqual(receipt)
    expect(pauses).toEqual([1000, 3000, 1000])
  })

  it('waits until the receipt says finalized when asked to', async () => {
    const final = { ...receipt, anchors: [{ ...anchor, status: 'finalized' as const }] }
    const { client, pauses } = await setUp((_, n) => ({ json: n < 2 ? receipt : final }))
    expect(await client.waitFor(own, 'finalized')).toEqual(final)
    expect(pauses).toEqual([5000, 5000])
  })

  it('waits no longer than it was told, and says where the record stands', async () => {
    const server = await startLittleServer(() => pending)
    closers.push(server.close)
    const client = createHoldfastClient({ url: server.url })
    const error = await refusal(client.waitFor(hash, 'anchored', { deadlineMs: 150, pollMs: 20 }))
    expect(error).toMatchObject({ code: 'TIMED_OUT' })
    expect(error.message).toContain('The record is sealed')
    const stop = AbortSignal.abort(new Error('enough'))
    await expect(client.waitFor(hash, 'anchored', { signal: stop })).rejects.toThrow('enough')
  })

  it('verifies a receipt without the daemon', async () => {
    const client = createHoldfastClient({ url: 'http://127.0.0.1:1', rpc: {} })
    const result = await client.verify({ ...receipt, leaf: hash })
    expect(result).toMatchObject({ valid: false, conclusive: true })
    const without = createHoldfastClient({ url: 'http://127.0.0.1:1' })
    expect(await refusal(without.verify(receipt))).toMatchObject({ code: 'INVALID_CONFIG' })
  })
})
