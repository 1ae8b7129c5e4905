import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SimpleMerkleTree, StandardMerkleTree } from '@openzeppelin/merkle-tree'
import keccak256 from 'keccak256'
import { MerkleTree } from 'merkletreejs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEV_ACCOUNTS, startTestAnvil, type TestAnvil } from '../../../test/support/anvil.ts'
import {
  anchoredReceipt,
  anchorRoot,
  batchTree,
  deployRegistry,
  keccakHex,
  publisher,
  receiptOf,
  registryAddress,
  registryInterface,
  rpc,
  someHashes,
  whereIs,
} from '../../../test/verify/make-receipt.ts'
import {
  type Hex,
  hashRecord,
  PUBLISHED_REGISTRY,
  type Receipt,
  type Verification,
  verifyReceipt,
} from '../src/index.ts'

let chain: TestAnvil
let url: string
let receipt: Receipt

beforeAll(async () => {
  chain = await startTestAnvil()
  url = chain.url
  await deployRegistry(url)
  await chain.mine(32)
  receipt = await anchoredReceipt(url, someHashes(11), 4)
})
afterAll(() => chain.stop())

const verify = (input: unknown, more = {}) => verifyReceipt(input, { rpc: { 31337: url }, ...more })
const failed = (result: Verification) => result.checks.filter((check) => !check.ok).map((check) => check.name)
const detailOf = (result: Verification, name: string) =>
  result.checks.find((check) => check.name === name)?.detail

describe('a good receipt', () => {
  it('is valid by its text, by its value, and with a chain given under either spelling or by a function', async () => {
    const endpoints = [
      { 31337: url },
      { 'eip155:31337': [url] },
      (id: number) => (id === 31337 ? url : undefined),
    ]
    for (const endpoint of endpoints) {
      for (const input of [receipt, JSON.stringify(receipt)]) {
        const result = await verifyReceipt(input, { rpc: endpoint })
        expect(result).toMatchObject({ valid: true, conclusive: true, hash: receipt.hash })
        expect(failed(result)).toEqual([])
        expect(result.anchors).toMatchObject([{ chainId: 'eip155:31337', status: 'mined', ok: true }])
      }
    }
  })

  it('is valid whether its root was anchored or only announced', async () => {
    const stored = await verify(await anchoredReceipt(url, someHashes(3, 'stored'), 2, 'anchor'))
    expect(stored.valid).toBe(true)
    expect(detailOf(stored, 'anchors[0].storage')).toContain('first anchored this root at')
    const event = await verify(await anchoredReceipt(url, someHashes(3, 'event'), 2, 'announce'))
    expect(event.valid).toBe(true)
    expect(detailOf(event, 'anchors[0].storage')).toContain('event mode')
  })

  it('of a batch of one leaf, anchored alone, is valid with two empty paths', async () => {
    const [hash] = someHashes(1, 'alone')
    const tree = batchTree([hash!])
    const anchor = { ...(await anchorRoot(url, tree.root)), path: [] }
    const alone = receiptOf([hash!], 0, [anchor], tree)
    expect((await verify(alone)).valid).toBe(true)
    expect((await verify({ ...alone, path: [keccakHex('more')] })).valid).toBe(false)
  })

  it('is valid for every leaf of a batch', async () => {
    const hashes = someHashes(13, 'every')
    const tree = batchTree(hashes)
    const anchor = { ...(await anchorRoot(url, tree.root)), path: [] }
    for (let i = 0; i < hashes.length; i++) {
      expect((await verify(receiptOf(hashes, i, [anchor], tree))).valid, `leaf ${i}`).toBe(true)
    }
  })

  it('says what is only stated, and what was taken from it', async () => {
    const result = await verify(receipt)
    const stated = ['/receivedAt', '/batch/id', '/batch/root', '/batch/leafIndex', '/batch/leafCount']
    expect(result.stated.map(({ field }) => field)).toEqual(stated)
    expect(detailOf(result, 'anchors[0].registry')).toContain("Holdfast's published contract")
    expect(detailOf(result, 'anchors[0].publisher')).toContain('was taken from the receipt')
  })

  it('is valid only with the registry and publisher that the auditor expects', async () => {
    const other = DEV_ACCOUNTS[1].address
    const right = [
      { registry: registryAddress.toLowerCase(), publisher },
      { registry: [other, registryAddress], publisher: [other, publisher] },
      {
        registry: { 1: other, 31337: registryAddress },
        publisher: { '*': other, 'eip155:31337': publisher },
      },
    ]
    for (const named of right) expect((await verify(receipt, named)).valid).toBe(true)
    for (const expected of [{ registry: other }, { publisher: other }, { publisher: { '*': other } }]) {
      const result = await verify(receipt, expected)
      expect(result).toMatchObject({ valid: false, conclusive: true })
      expect(failed(result)).toEqual([`anchors[0].${Object.keys(expected)[0]}`, 'anchors[0].chain'])
      expect(detailOf(result, 'anchors[0].chain')).toContain('Not read')
    }
    const misspelt = registryAddress.replace('eB', 'eb')
    for (const registry of ['0x12', [], { 'eip155:x': other }, misspelt]) {
      await expect(verify(receipt, { registry }), JSON.stringify(registry)).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
      })
    }
  })

  it('is valid only for the record and the hash that it is for', async () => {
    const record = { id: 7, name: 'Ærø', amount: 12.5 }
    const hash = hashRecord(record)
    const own = await anchoredReceipt(url, [...someHashes(4), hash], 4)
    expect(
      (await verify(own, { record: { amount: 12.5, name: 'Ærø', id: 7 }, hash: hash.toUpperCase().slice(2) }))
        .valid,
    ).toBe(true)
    const altered = await verify(own, { record: { ...record, amount: 12.51 } })
    expect(altered).toMatchObject({ valid: false, conclusive: true })
    expect(failed(altered)).toEqual(['record'])
    expect(failed(await verify(own, { record: Number.NaN }))).toEqual(['record'])
    expect(failed(await verify(own, { hash: receipt.hash }))).toEqual(['hash'])
  })

  it('becomes finalized when the chain says so, whatever the receipt said at first', async () => {
    const early = await anchoredReceipt(url, someHashes(2, 'early'), 0)
    const before = await verify(early)
    expect(before.anchors[0]).toMatchObject({ status: 'mined', ok: true })
    expect(detailOf(before, 'anchors[0].finality')).toContain('not final yet')
    const claimed = structuredClone(early)
    claimed.anchors[0]!.status = 'finalized'
    const stated = await verify(claimed)
    expect(stated).toMatchObject({ valid: true, final: false })
    expect(detailOf(stated, 'anchors[0].finality')).toContain('only stated by the receipt')
    for (const one of [early, claimed]) {
      const demanded = await verify(one, { final: true })
      expect(demanded).toMatchObject({
        valid: false,
        conclusive: false,
        verdict: 'anchored',
        reason: 'not_final',
      })
      expect(demanded.headline).toMatch(/^NOT FINAL YET/)
    }
    await chain.mine(16)
    for (const one of [early, claimed]) {
      const after = await verify(one, { final: true })
      expect(after).toMatchObject({ valid: true, final: true })
      expect(after.anchors[0]?.status).toBe('finalized')
    }
  })

  it('names the contract that this repository builds', () => {
    expect(PUBLISHED_REGISTRY).toBe(registryAddress)
  })
})

describe('a receipt with any byte changed', () => {
  it('is invalid, except within the values that are only stated', { timeout: 120_000 }, async () => {
    const text = JSON.stringify(receipt)
    const { receivedAt, batch } = receipt
    const statedTexts = {
      receivedAt: `"receivedAt":"${receivedAt}"`,
      id: `"id":"${batch.id}"`,
      leafIndex: `"leafIndex":${batch.leafIndex}`,
      leafCount: `"leafCount":${batch.leafCount}`,
    }
    const statedValues: Record<keyof typeof statedTexts, string> = {
      receivedAt,
      id: batch.id,
      leafIndex: String(batch.leafIndex),
      leafCount: String(batch.leafCount),
    }
    const statedAt = new Map<number, string>()
    for (const [field, part] of Object.entries(statedTexts) as [keyof typeof statedTexts, string][]) {
      const start = text.indexOf(part) + part.lastIndexOf(statedValues[field])
      for (let i = start; i < start + statedValues[field].length; i++) statedAt.set(i, field)
    }

    const changes: { at: number; to: string }[] = []
    for (let at = 0; at < text.length; at++) {
      const from = text[at]!
      for (const to of new Set([neighbour(from), otherCase(from), '0', 'a', ' ', '"'])) {
        if (to !== from) changes.push({ at, to })
      }
    }
    const survived = new Set<string>()
    await inParallel(8, changes, async ({ at, to }) => {
      const result = await verify(text.slice(0, at) + to + text.slice(at + 1))
      if (!result.valid) return
      const context = `${text.slice(Math.max(0, at - 20), at)}[${text[at]}→${to}]${text.slice(at + 1, at + 10)}`
      expect(statedAt.has(at), context).toBe(true)
      survived.add(statedAt.get(at)!)
    })
    expect([...survived].sort()).toEqual(['id', 'leafCount', 'leafIndex', 'receivedAt'])
  })

  it('fails in OpenZeppelin, merkletreejs and the contract alike', { timeout: 60_000 }, async () => {
    const anchor = receipt.anchors[0]!
    const path = [...receipt.path, ...anchor.path]
    const good = [receipt.hash, ...path, anchor.root]
    expect(await verdictsOf(good)).toEqual({
      openZeppelin: true,
      merkletreejs: true,
      simple: true,
      contract: true,
    })
    const none = { openZeppelin: false, merkletreejs: false, simple: false, contract: false }
    const places = good.flatMap((_, item) => Array.from({ length: 32 }, (__, byte) => ({ item, byte })))
    await inParallel(8, places, async ({ item, byte }) => {
      const changed = good.map((hex, i) => (i === item ? withByteChanged(hex, byte) : hex))
      expect(await verdictsOf(changed), `byte ${byte} of item ${item}`).toEqual(none)
    })
  })

  async function verdictsOf([hash, ...rest]: Hex[]) {
    const path = rest.slice(0, -1)
    const root = rest.at(-1)!
    const leaf = keccak256(keccak256(hash!))
    const data = registryInterface.encodeFunctionData('verify', [publisher, root, hash, path])
    const answer = await rpc<Hex>(url, 'eth_call', [{ to: registryAddress, data }, 'latest'])
    const buffers = path.map((hex) => Buffer.from(hex.slice(2), 'hex'))
    return {
      openZeppelin: StandardMerkleTree.verify(root, ['bytes32'], [hash!], path),
      simple: SimpleMerkleTree.verify(root, leaf, path),
      merkletreejs: MerkleTree.verify(buffers, leaf, Buffer.from(root.slice(2), 'hex'), keccak256, {
        sortPairs: true,
      }),
      contract: registryInterface.decodeFunctionResult('verify', answer)[0] as boolean,
    }
  }
})

describe('a false receipt', () => {
  const changed = (change: (copy: Receipt) => void) => {
    const copy = structuredClone(receipt)
    change(copy)
    return copy
  }

  it('for another record under the same path is invalid', async () => {
    const other = keccakHex('not in the batch')
    const result = await verify(
      changed((copy) => Object.assign(copy, { hash: other, leaf: batchTree([other]).root })),
    )
    expect(failed(result)).toEqual(['path', 'anchors[0].chain'])
  })

  it('whose transaction was for another root is invalid', async () => {
    const elsewhere = await anchorRoot(url, keccakHex('another root'))
    const { root: _, ...where } = elsewhere
    const result = await verify(changed((copy) => Object.assign(copy.anchors[0]!, where)))
    expect(result).toMatchObject({ valid: false, conclusive: true })
    expect(failed(result)).toEqual(['anchors[0].event'])
  })

  it('in an unknown registry counts for nothing, though its contract reports the named publisher', async () => {
    const code = await rpc<Hex>(url, 'eth_getCode', [registryAddress, 'latest'])
    const copycat = '0x000000000000000000000000000000000000bEEF'
    await rpc(url, 'anvil_setCode', [copycat, code])
    const { root } = receipt.anchors[0]!
    const data = registryInterface.encodeFunctionData('anchor', [root])
    const sent = await rpc<Hex>(url, 'eth_sendTransaction', [{ from: publisher, to: copycat, data }])
    const where = { ...(await whereIs(url, sent)), registry: copycat as Hex }
    const copied = changed((copy) => Object.assign(copy.anchors[0]!, where))
    for (const named of [{}, { publisher }]) {
      const result = await verify(copied, named)
      expect(result).toMatchObject({
        valid: false,
        conclusive: true,
        verdict: 'contradicted',
        reason: 'registry',
      })
      expect(result.headline).toContain('name it as the registry of eip155:31337')
    }
    expect((await verify(copied, { registry: copycat })).valid).toBe(true)
    expect((await verify(copied, { registry: { 'eip155:1': copycat } })).valid).toBe(false)
    const both = changed((copy) => copy.anchors.push(copied.anchors[0]!))
    const result = await verify(both)
    expect(result).toMatchObject({ valid: true, anchors: [{ ok: true }, { ok: false, outcome: 'refused' }] })
    expect(result.headline).toMatch(/^VALID on 1 of 2 anchors/)
  })

  it('whose event comes from another contract is invalid', async () => {
    const code = await rpc<Hex>(url, 'eth_getCode', [registryAddress, 'latest'])
    const copycat = '0x000000000000000000000000000000000000bEEF'
    await rpc(url, 'anvil_setCode', [copycat, code])
    const data = registryInterface.encodeFunctionData('anchor', [receipt.anchors[0]!.root])
    const sent = await rpc<Hex>(url, 'eth_sendTransaction', [{ from: publisher, to: copycat, data }])
    const where = await whereIs(url, sent)
    const result = await verify(changed((copy) => Object.assign(copy.anchors[0]!, where)))
    expect(failed(result)).toEqual(['anchors[0].event'])
  })

  it('whose transaction was reverted is invalid', async () => {
    await chain.setAutomine(false)
    const call = { from: publisher, to: registryAddress, data: '0xdeadbeef', gas: '0x30000' }
    const sent = await rpc<Hex>(url, 'eth_sendTransaction', [call])
    await chain.mine()
    await chain.setAutomine(true)
    const where = await whereIs(url, sent)
    const result = await verify(changed((copy) => Object.assign(copy.anchors[0]!, where)))
    expect(failed(result)).toEqual(['anchors[0].transaction', 'anchors[0].event'])
    expect(detailOf(result, 'anchors[0].transaction')).toContain('reverted')
  })

  it('that says it was received after its block is valid, with a note', async () => {
    const blockTime = Date.parse(receipt.anchors[0]!.blockTime)
    const at = (ms: number) =>
      changed((copy) => Object.assign(copy, { receivedAt: new Date(ms).toISOString() }))
    expect(failed(await verify(at(blockTime + 300_000)))).toEqual([])
    const result = await verify(at(blockTime + 300_001))
    expect(result).toMatchObject({ valid: true, conclusive: true })
    expect(result.checks.find(({ name }) => name === 'receivedAt')).toMatchObject({
      ok: false,
      state: 'noted',
    })
  })

  it('with one good and one false anchor is invalid', async () => {
    const two = changed((copy) => {
      copy.anchors.push({ ...structuredClone(copy.anchors[0]!), publisher: DEV_ACCOUNTS[1].address as Hex })
    })
    const result = await verify(two)
    expect(result).toMatchObject({ valid: false, conclusive: true })
    expect(result.anchors.map(({ ok }) => ok)).toEqual([true, false])
    expect(failed(result)).toEqual(['anchors[1].event'])
  })

  it('that is no receipt is a failed check, not an error', async () => {
    for (const input of [null, '', '{', 42, {}, []]) {
      const result = await verify(input)
      expect(result).toMatchObject({ valid: false, conclusive: true, hash: null, anchors: [] })
      expect(failed(result)).toEqual(['format'])
    }
  })

  it('whose block was reorged away is invalid until it is issued anew', async () => {
    const lost = await anchoredReceipt(url, someHashes(6, 'lost'), 1)
    expect((await verify(lost)).valid).toBe(true)
    await chain.reorg(1)
    const result = await verify(lost)
    expect(result).toMatchObject({ valid: false, conclusive: true })
    expect(failed(result)).toContain('anchors[0].block')
    const again = { ...(await anchorRoot(url, lost.anchors[0]!.root)), path: lost.anchors[0]!.path }
    expect((await verify({ ...lost, anchors: [again] })).valid).toBe(true)
  })
})

describe('a chain that cannot be read', () => {
  const down = 'http://127.0.0.1:1/v3/secret-key'

  it('leaves the verdict open, and gives no endpoint away', async () => {
    for (const endpoints of [{}, { 31337: down }, { 31337: 'ftp://secret-key' }, { 31337: [] }]) {
      const result = await verifyReceipt(receipt, { rpc: endpoints })
      expect(result).toMatchObject({
        valid: false,
        conclusive: false,
        anchors: [{ status: 'unknown', ok: false }],
      })
      expect(failed(result)).toEqual(['anchors[0].chain'])
      expect(result).toMatchObject({ verdict: 'unknown', reason: 'unread' })
      expect(detailOf(result, 'anchors[0].chain')).toContain('could not be read')
      expect(result.headline).toMatch(/^UNDECIDED: eip155:31337 was not read/)
      expect(JSON.stringify(result)).not.toContain('secret-key')
    }
  })

  it('is read through the next endpoint', async () => {
    const result = await verifyReceipt(receipt, { rpc: { 31337: [down, url] } })
    expect(result).toMatchObject({ valid: true, conclusive: true })
    expect(result.headline).toContain('Asked 2 endpoints; not read: endpoint 1 (127.0.0.1:1)')
    const required = await verifyReceipt(receipt, { rpc: { 31337: [down, url] }, require: 2 })
    expect(required).toMatchObject({ valid: false, conclusive: false, verdict: 'unknown', reason: 'unread' })
    for (const require of [0, 1.5, Number.NaN]) {
      await expect(verify(receipt, { require })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    }
  })

  it('is told apart from a false receipt', async () => {
    const broken = { ...receipt, leaf: keccakHex('x') }
    expect(await verifyReceipt(broken, { rpc: {} })).toMatchObject({ valid: false, conclusive: true })
  })

  it('makes a receipt with two anchors valid but not conclusive', async () => {
    const other = { ...structuredClone(receipt.anchors[0]!), chainId: 'eip155:1' as const }
    const result = await verify({ ...receipt, anchors: [other, receipt.anchors[0]] })
    expect(result).toMatchObject({ valid: true, conclusive: false })
    expect(result.anchors.map(({ ok }) => ok)).toEqual([false, true])
    expect(result.headline).toMatch(/^VALID on 1 of 2 anchors; eip155:1 was not read: 0x/)
  })

  it('is not taken from an endpoint of another chain, one that lags, or one that talks nonsense', async () => {
    const answers = new Map<string, (method: string, result: unknown, params: unknown[]) => unknown>([
      ['serves chain 5', (method, result) => (method === 'eth_chainId' ? '0x5' : result)],
      [
        'only at block 1',
        (method, result, [at]) => {
          if (method === 'eth_chainId') return result
          return at === 'latest' ? { ...(result as object), number: '0x1' } : null
        },
      ],
      ['answered with something else', (method, result) => (method === 'eth_chainId' ? { id: 1 } : result)],
      ['no newest block', (_, result, [at]) => (at === 'latest' ? null : result)],
      ['limit exceeded', (_, result, [at]) => (at === 'latest' ? { error: -32005 } : result)],
    ])
    for (const [words, answer] of answers) {
      const proxy = await startProxy(answer)
      try {
        const result = await verifyReceipt(receipt, { rpc: { 31337: proxy.url } })
        expect(result, words).toMatchObject({ valid: false, conclusive: false })
        expect(detailOf(result, 'anchors[0].chain')).toContain(words)
        const both = await verifyReceipt(receipt, { rpc: { 31337: [proxy.url, url] } })
        expect(both, words).toMatchObject({ valid: true, conclusive: true })
      } finally {
        await proxy.close()
      }
    }
  })

  it('is read although it knows no finalized block, and the result says so', async () => {
    const proxy = await startProxy((method, result, params) => {
      return method === 'eth_getBlockByNumber' && params[0] === 'finalized' ? { error: -32602 } : result
    })
    try {
      const result = await verifyReceipt(receipt, { rpc: { 31337: proxy.url } })
      expect(result).toMatchObject({ valid: true, anchors: [{ status: 'mined', ok: true }] })
      expect(detailOf(result, 'anchors[0].finality')).toContain('not final yet')
      await chain.mine(64)
      expect(await verifyReceipt(receipt, { rpc: { 31337: proxy.url } })).toMatchObject({
        valid: true,
        final: true,
      })
    } finally {
      await proxy.close()
    }
  })

  it('that never answers ends in time', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
    try {
      const rpcUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      const result = await verifyReceipt(receipt, { rpc: { 31337: rpcUrl }, timeoutMs: 200 })
      expect(result).toMatchObject({ valid: false, conclusive: false })
    } finally {
      silent.closeAllConnections()
      await new Promise((done) => silent.close(done))
    }
  })

  it('that is slow for many anchors ends with the time for the whole check, none of them read', async () => {
    let calls = 0
    const silent = createServer(() => {
      calls++
    })
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
    try {
      const rpcUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      const [anchor] = receipt.anchors
      const anchors = DEV_ACCOUNTS.map(({ address }) => ({ ...anchor!, publisher: address as Hex }))
      const startedAt = performance.now()
      const result = await verifyReceipt(
        { ...receipt, anchors },
        { rpc: { 31337: rpcUrl }, timeoutMs: 10_000, deadlineMs: 300 },
      )
      expect(performance.now() - startedAt).toBeLessThan(5_000)
      expect(result).toMatchObject({ valid: false, conclusive: false })
      expect(calls).toBe(1)
      for (const i of anchors.keys()) {
        expect(detailOf(result, `anchors[${i}].chain`)).toContain('the time for the whole check was over')
      }
    } finally {
      silent.closeAllConnections()
      await new Promise((done) => silent.close(done))
    }
  })

  it('is not asked about an anchor of another registry or publisher than the expected', async () => {
    const asked: string[] = []
    const proxy = await startProxy((method, result) => {
      asked.push(method)
      return result
    })
    try {
      for (const expect of [{ registry: DEV_ACCOUNTS[1].address }, { publisher: DEV_ACCOUNTS[1].address }]) {
        await verifyReceipt(receipt, { rpc: { 31337: proxy.url }, ...expect })
      }
      expect(asked).toEqual([])
      expect((await verifyReceipt(receipt, { rpc: { 31337: proxy.url } })).valid).toBe(true)
      expect(asked).not.toEqual([])
    } finally {
      await proxy.close()
    }
  })

  /** A real endpoint whose answers are changed on the way; `{ error }` becomes a JSON-RPC error. */
  async function startProxy(change: (method: string, result: unknown, params: unknown[]) => unknown) {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString()) as {
        id: number
        method: string
        params: unknown[]
      }
      const result = change(method, await rpc(url, method, params), params)
      const code = (result as { error?: number } | null)?.error
      const body = code === undefined ? { result } : { error: { code, message: 'limit exceeded' } }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...body }))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () => {
        server.closeAllConnections()
        return new Promise((done) => server.close(done))
      },
    }
  }
})

function neighbour(char: string): string {
  if (/[0-8a-eA-E]/.test(char)) return String.fromCharCode(char.charCodeAt(0) + 1)
  return /[9fF]/.test(char) ? String.fromCharCode(char.charCodeAt(0) - 1) : 'x'
}

function otherCase(char: string): string {
  return char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase()
}

function withByteChanged(hex: Hex, byte: number): Hex {
  const bytes = Buffer.from(hex.slice(2), 'hex')
  bytes[byte]! ^= 1
  return `0x${bytes.toString('hex')}`
}

async function inParallel<T>(lanes: number, items: T[], run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const lane = async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await run(item)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
