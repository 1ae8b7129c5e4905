/** What nodes say when asked for the final block. Anchoring goes on whatever it is. */

import type { Call } from './odd-node.ts'
import { edited, error, isFinalizedTag, type Row, when, withFields } from './row.ts'

const result = (value: unknown) => (call: Call) => ({ body: JSON.stringify({ id: call.id, result: value }) })
const tag = (reply: Parameters<typeof when>[1]) => when(isFinalizedTag, reply)
const FALLBACK = { final: 'fallback' } as const
const NOT_FINAL = { final: false } as const

export const FINALITY: Row[] = [
  {
    name: 'finalized: -32000 "finalized block not found"',
    seen: 'go-ethereum',
    odd: tag(error(-32000, 'finalized block not found')),
    expect: FALLBACK,
  },
  {
    name: 'finalized: -39001 "Unknown block"',
    seen: 'Besu, Erigon',
    odd: tag(error(-39001, 'Unknown block')),
    expect: FALLBACK,
  },
  {
    name: 'finalized: -32603',
    seen: 'RSK',
    odd: tag(error(-32603, 'Internal server error')),
    expect: FALLBACK,
  },
  {
    name: 'finalized: -32700',
    seen: 'Ganache',
    odd: tag(error(-32700, 'Cannot wrap string value "finalized" as a json-rpc type')),
    expect: FALLBACK,
  },
  {
    name: 'finalized: -32601',
    seen: 'Filecoin gateways',
    odd: tag(error(-32601, "method 'eth_getBlockByNumber' with tag not supported")),
    expect: FALLBACK,
  },
  {
    name: 'finalized: -32602',
    seen: 'OpenEthereum, older Polygon',
    odd: tag(error(-32602, 'invalid argument 0: hex string without 0x prefix')),
    expect: FALLBACK,
  },
  {
    name: 'finalized: -32000 "header not found"',
    seen: 'Arbitrum classic',
    odd: tag(error(-32000, 'header not found')),
    expect: FALLBACK,
  },
  {
    name: 'finalized: an error in another language, without a code',
    seen: 'regional gateways',
    odd: tag({ body: '{"id":null,"error":"参数错误"}' }),
    expect: FALLBACK,
  },
  {
    name: 'finalized: HTTP 400 in plain text',
    seen: 'gateways that check parameters',
    odd: tag({ status: 400, body: 'invalid block tag' }),
    expect: FALLBACK,
  },
  {
    name: 'finalized: null',
    seen: 'Nethermind, Reth before the first forkchoice',
    odd: tag(result(null)),
    expect: FALLBACK,
  },
  {
    name: 'finalized: genesis',
    seen: 'proof-of-authority networks',
    odd: tag(async (call) => ({ body: JSON.stringify(await genesis(call)) })),
    expect: FALLBACK,
  },
  {
    name: 'finalized: an empty object',
    seen: 'hand-written proxies',
    odd: tag(result({})),
    expect: FALLBACK,
  },
  { name: 'finalized: a number', seen: 'hand-written proxies', odd: tag(result('0x10')), expect: FALLBACK },
  {
    name: 'finalized: the newest block',
    seen: 'BNB-like chains with instant finality',
    odd: edited(isFinalizedTag, (block) => withFields({ number: '0x7fffffff' })(block)),
  },
  {
    name: 'finalized: stands still',
    seen: 'some L2s, a chain without a quorum',
    odd: standsStill(),
    expect: NOT_FINAL,
  },
  {
    name: 'finalized: told at first, then an error',
    seen: 'balancers over mixed nodes',
    odd: toldAtFirst(),
    expect: NOT_FINAL,
  },
  {
    name: 'finalized: over the limit',
    seen: 'gateways that charge more for it',
    odd: tag(error(-32005, 'limit exceeded')),
    expect: NOT_FINAL,
  },
  { name: 'finalized: hangs', seen: 'overloaded nodes', odd: tag({ fault: 'hang' }), expect: NOT_FINAL },
  {
    name: 'finalized: HTTP 503',
    seen: 'gateways',
    odd: tag({ status: 503, body: 'busy' }),
    expect: NOT_FINAL,
  },
]

async function genesis(call: Call): Promise<unknown> {
  const { result: block } = await call.forward()
  return { id: call.id, result: { ...(block as object), number: '0x0' } }
}

function standsStill(): Row['odd'] {
  return () => {
    let first: unknown
    return async (call) => {
      const answer = await call.forward()
      if (!isFinalizedTag(call)) return { body: JSON.stringify(answer) }
      first ??= answer.result
      return { body: JSON.stringify({ id: call.id, result: first }) }
    }
  }
}

function toldAtFirst(): Row['odd'] {
  return () => {
    let told = 0
    return async (call) => {
      if (!isFinalizedTag(call)) return { body: JSON.stringify(await call.forward()) }
      told += 1
      return told === 1 ? { body: JSON.stringify(await call.forward()) } : error(-32603, 'Internal error')
    }
  }
}
