/** What carries no meaning: how an answer is wrapped and spelt. And what does: whose answer it is. */
import { gzipSync } from 'node:zlib'
import type { Answer } from './odd-node.ts'
import { deep, edited, quantitiesAs, type Row, when, written } from './row.ts'

const text = (answer: Answer) => JSON.stringify(answer)
const anything = () => true
const hexAs = (spell: (digits: string) => string) =>
  edited(anything, (result) =>
    deep(result, (each) => each.replace(/^0x([0-9a-f]+)$/, (_, digits) => spell(digits))),
  )
const NO_ANSWER = { anchored: /rpc_down/, verdict: 'unknown' } as const

export const ENVELOPE: Row[] = [
  {
    name: '"error": null beside every result',
    seen: 'Nethermind, gateways',
    odd: written((answer) => ({ body: text({ error: null, ...answer }) })),
  },
  {
    name: 'an empty error object beside every result',
    seen: 'gateways',
    odd: written((answer) => ({ body: text({ error: {}, ...answer }) })),
  },
  {
    name: '"result": null beside every error',
    seen: 'gateways',
    odd: written((answer) => ({ body: text({ result: null, ...answer }) })),
  },
  {
    name: 'ids as text',
    seen: 'gateways',
    odd: written((answer) => ({ body: text({ ...answer, id: String(answer.id) }) })),
  },
  {
    name: 'no "jsonrpc"',
    seen: 'older nodes',
    odd: written(({ jsonrpc: _, ...answer }) => ({ body: text(answer) })),
  },
  {
    name: 'version 1.0 and members of its own',
    seen: 'gateways',
    odd: written((answer) => ({ body: text({ ...answer, jsonrpc: '1.0', ...{ usage: 3, node: 'eu-1' } }) })),
  },
  {
    name: 'a byte-order mark',
    seen: 'gateways on Windows',
    odd: written((answer) => ({ body: `\ufeff${text(answer)}` })),
  },
  {
    name: 'white space around',
    seen: 'go-ethereum (line feed)',
    odd: written((answer) => ({ body: `\r\n\t ${JSON.stringify(answer, null, 2)}\n\n` })),
  },
  {
    name: 'a batch of one',
    seen: 'batching gateways',
    odd: written((answer) => ({ body: `[${text(answer)}]` })),
  },
  {
    name: 'HTTP 500 on every answer',
    seen: 'gateways',
    odd: written((answer) => ({ status: 500, body: text(answer) })),
  },
  {
    name: 'HTTP 400 on errors',
    seen: 'Besu, Alchemy',
    odd: written((answer) => ({ status: answer.error === undefined ? 200 : 400, body: text(answer) })),
  },
  {
    name: 'text/plain',
    seen: 'Ganache',
    odd: written((answer) => ({ headers: { 'content-type': 'text/plain' }, body: text(answer) })),
  },
  {
    name: 'gzip',
    seen: 'every gateway',
    odd: written((answer) => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(text(answer)) })),
  },
  {
    name: 'a few bytes at a time',
    seen: 'slow proxies',
    odd: written((answer) => ({ drip: text(answer) })),
  },
  {
    name: 'a connection closed after each answer',
    seen: 'load balancers',
    odd: written((answer) => ({ headers: { connection: 'close' }, body: text(answer) })),
  },
  {
    name: 'upper-case hex in every field',
    seen: 'older .NET and Java nodes',
    odd: hexAs((digits) => `0x${digits.toUpperCase()}`),
  },
  { name: 'the prefix 0X', seen: 'hand-written proxies', odd: hexAs((digits) => `0X${digits}`) },
  {
    name: 'quantities as JSON numbers',
    seen: 'Ganache, hand-written proxies',
    odd: quantitiesAs((quantity) =>
      quantity <= Number.MAX_SAFE_INTEGER ? Number(quantity) : `0x${quantity.toString(16)}`,
    ),
  },
  { name: 'quantities in decimal text', seen: 'indexers that answer RPC', odd: quantitiesAs(String) },
  {
    name: 'quantities with leading zeros',
    seen: 'older Parity',
    odd: quantitiesAs((quantity) => `0x${quantity.toString(16).padStart(64, '0')}`),
  },
  {
    name: 'hashes and addresses without 0x',
    seen: 'Tron-like nodes',
    odd: edited(anything, (result) =>
      deep(result, (each) => each.replace(/^0x([0-9a-f]{40}|[0-9a-f]{64})$/, '$1')),
    ),
    // A call's 32-byte answer is no hash; here it is spelt like one.
  },
  {
    name: 'the answer to another question',
    seen: 'broken keep-alive in proxies',
    odd: written((answer) => ({ body: text({ ...answer, id: 987_654 }) })),
    expect: NO_ANSWER,
  },
  {
    name: 'no id',
    seen: 'hand-written proxies',
    odd: written(({ id: _, ...answer }) => ({ body: text(answer) })),
    expect: NO_ANSWER,
  },
  {
    name: 'an answer without a result',
    seen: 'hand-written proxies',
    odd: written(({ id }) => ({ body: text({ jsonrpc: '2.0', id }) })),
    expect: NO_ANSWER,
  },
  {
    name: 'an answer that never ends',
    seen: 'a lying endpoint',
    odd: when(anything, { fault: 'flood' }),
    expect: NO_ANSWER,
  },
  {
    name: 'no answer at all',
    seen: 'black holes',
    odd: when(anything, { fault: 'hang' }),
    expect: NO_ANSWER,
  },
  {
    name: 'a login page',
    seen: 'captive portals, expired plans',
    odd: when(anything, { body: '<html>Sign in</html>', headers: { 'content-type': 'text/html' } }),
    expect: NO_ANSWER,
  },
  {
    name: 'a redirect',
    seen: 'http to https',
    odd: when(anything, { status: 301, headers: { location: 'https://example.invalid/' }, body: '' }),
    expect: NO_ANSWER,
  },
  {
    name: 'another chain',
    seen: 'a wrong URL',
    odd: edited(
      ({ method }) => method === 'eth_chainId',
      () => '0x1',
    ),
    expect: { anchored: /WRONG_CHAIN/, verdict: 'unknown' },
  },
]
