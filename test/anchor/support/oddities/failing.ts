import { setTimeout as pause } from 'node:timers/promises'
import { type Answer, type Call, type Oddity, type Wire, wire } from './endpoint.ts'

type Ask = (call: Omit<Call, 'id'>) => Promise<Answer>

/** Answers every `nth` call otherwise. */
const everyNth = (nth: number, otherwise: (call: Call) => Answer | Wire): Oddity['answer'] => {
  let calls = 0
  return (call, ask) => (++calls % nth === 0 ? otherwise(call) : ask(call))
}

/** Sends the transaction, and answers otherwise. */
const afterSending =
  (answer: (call: Call, given: Answer) => Answer | Wire): Oddity['answer'] =>
  async (call, ask) => {
    const given = await ask(call)
    return call.method === 'eth_sendRawTransaction' ? answer(call, given) : given
  }

/** Takes so many calls a second; the others are answered by `refuse`. */
const limited = (aSecond: number, refuse: (call: Call) => Answer | Wire): Oddity['answer'] => {
  let second = 0
  let calls = 0
  return (call: Call, ask: Ask) => {
    const now = Math.floor(Date.now() / 1000)
    if (now !== second) [second, calls] = [now, 0]
    return ++calls > aSecond ? refuse(call) : ask(call)
  }
}

export const FAILING: readonly Oddity[] = [
  {
    name: 'one call in three: header not found',
    seen: 'balancers in front of nodes at different heads',
    answer: everyNth(3, () => ({ error: { code: -32000, message: 'header not found' } })),
  },
  {
    name: 'one call in three: missing trie node',
    seen: 'balancers in front of pruned nodes',
    answer: everyNth(3, () => ({ error: { code: -32000, message: 'missing trie node 1234 (path )' } })),
  },
  {
    name: 'one call in three: HTML with status 200',
    seen: 'Cloudflare',
    answer: everyNth(3, () => ({
      headers: { 'content-type': 'text/html' },
      body: '<html><title>Just a moment…</title></html>',
    })),
  },
  {
    name: 'one call in three: HTTP 502',
    seen: 'nginx',
    answer: everyNth(3, () => ({ status: 502, body: '<html>Bad Gateway</html>' })),
  },
  {
    name: 'one call in three: HTTP 503 without a body',
    seen: 'AWS load balancers',
    answer: everyNth(3, () => ({ status: 503, body: '' })),
  },
  {
    name: 'one call in four: an empty body with status 200',
    seen: 'proxies',
    answer: everyNth(4, () => ({ body: '' })),
  },
  {
    name: 'one call in four: another id',
    seen: 'caches',
    answer: everyNth(4, (call) => wire({ id: Number(call.id) + 7 }, { result: '0x1' })),
  },
  {
    name: 'one call in four: half an answer',
    seen: 'proxies that lose connections',
    answer: everyNth(4, () => ({ body: '{"jsonrpc":"2.0","id":' })),
  },
  {
    name: 'one call in four: an array',
    seen: 'batching proxies',
    answer: everyNth(4, (call) => ({
      body: JSON.stringify([{ jsonrpc: '2.0', id: call.id, result: '0x1' }]),
    })),
  },
  {
    name: 'one call in four: neither result nor error',
    seen: 'proxies',
    answer: everyNth(4, (call) => wire(call, {})),
  },
  {
    name: 'twenty calls a second, 429 with Retry-After',
    seen: 'Alchemy, QuickNode',
    answer: limited(20, (call) =>
      wire(
        call,
        { error: { code: 429, message: 'Your app has exceeded its compute units per second capacity' } },
        { status: 429, headers: { 'retry-after': '1' } },
      ),
    ),
  },
  {
    name: 'four calls a second, 429 with Retry-After',
    seen: 'public endpoints',
    answer: limited(4, () => ({ status: 429, headers: { 'retry-after': '1' }, body: 'Too Many Requests' })),
  },
  {
    name: 'four calls a second, -32005',
    seen: 'Infura',
    answer: limited(4, () => ({
      error: {
        code: -32005,
        message: 'daily request count exceeded, request rate limited',
        data: { rate: { backoff_seconds: 1 } },
      },
    })),
  },
  {
    name: 'receipts: "transaction indexing is in progress" at first',
    seen: 'go-ethereum',
    answer: (() => {
      let asked = 0
      return (call: Call, ask: Ask) =>
        call.method === 'eth_getTransactionReceipt' && asked++ < 3
          ? { error: { code: -32000, message: 'transaction indexing is in progress' } }
          : ask(call)
    })(),
  },
  {
    name: 'receipts come three calls late',
    seen: 'balancers',
    answer: (() => {
      let asked = 0
      return (call: Call, ask: Ask) =>
        call.method === 'eth_getTransactionReceipt' && asked++ < 3 ? { result: null } : ask(call)
    })(),
  },
  {
    name: 'every answer takes 100 ms',
    seen: 'endpoints on other continents',
    answer: async (call, ask) => {
      await pause(100)
      return ask(call)
    },
  },
  {
    name: 'the send is answered "already known"',
    seen: 'go-ethereum behind balancers that ask twice',
    answer: afterSending(() => ({ error: { code: -32000, message: 'already known' } })),
  },
  {
    name: 'the send is answered "transaction already imported"',
    seen: 'anvil, OpenEthereum',
    answer: afterSending(() => ({ error: { code: -32003, message: 'transaction already imported' } })),
  },
  {
    name: 'the send is answered "nonce too low" although it was taken',
    seen: 'balancers that ask twice',
    answer: afterSending(() => ({ error: { code: -32000, message: 'nonce too low' } })),
  },
  {
    name: 'the send is answered with null',
    seen: 'private relays',
    answer: afterSending(() => ({ result: null })),
  },
  {
    name: 'the send is answered with another hash',
    seen: 'relays',
    answer: afterSending(() => ({ result: `0x${'ab'.repeat(32)}` })),
  },
  {
    name: 'the send is answered with HTTP 500 although it was taken',
    seen: 'gateways',
    answer: afterSending(() => ({ status: 500, body: 'upstream timed out' })),
  },
  {
    name: 'the send is answered with an internal error although it was taken',
    seen: 'gateways',
    answer: afterSending(() => ({ error: { code: -32603, message: 'Internal error' } })),
  },
  {
    name: 'the endpoint serves another chain',
    seen: 'a wrong URL in the configuration',
    outcome: 'not anchored',
    answer: (call, ask) => (call.method === 'eth_chainId' ? { result: '0x1' } : ask(call)),
  },
]
