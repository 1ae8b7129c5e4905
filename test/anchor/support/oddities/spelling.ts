import { edits, type Oddity, rewrites, wire } from './endpoint.ts'

type Receipt = { logs: Record<string, unknown>[] }

export const SPELLING: readonly Oddity[] = [
  {
    name: 'upper-case hex digits in every field',
    seen: 'RSK, private chains',
    answer: rewrites((text) => (/^0x[0-9a-f]+$/i.test(text) ? `0x${text.slice(2).toUpperCase()}` : text)),
  },
  {
    name: 'checksummed addresses in logs',
    seen: 'gateways',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      logs: (receipt as unknown as Receipt).logs.map((log) => ({
        ...log,
        address: String(log.address).toUpperCase().replace('0X', '0x'),
      })),
    })),
  },
  {
    name: 'quantities with leading zeros',
    seen: 'Ganache',
    answer: edits(['eth_getBlockByNumber', 'eth_getTransactionReceipt'], (fields) => ({
      ...fields,
      ...(typeof fields.number === 'string' ? { number: `0x00${fields.number.slice(2)}` } : {}),
      ...(typeof fields.blockNumber === 'string'
        ? { blockNumber: `0x00${fields.blockNumber.slice(2)}` }
        : {}),
    })),
  },
  {
    name: 'block numbers as JSON numbers',
    seen: 'proxies',
    answer: async (call, ask) => {
      const answer = await ask(call)
      return call.method === 'eth_blockNumber' ? { result: Number(answer.result) } : answer
    },
  },
  {
    name: 'block numbers as decimal text',
    seen: 'proxies',
    answer: async (call, ask) => {
      const answer = await ask(call)
      return call.method === 'eth_blockNumber' ? { result: String(Number(answer.result)) } : answer
    },
  },
  {
    name: 'the chain id as a decimal number',
    seen: 'proxies',
    answer: (call, ask) => (call.method === 'eth_chainId' ? { result: 31337 } : ask(call)),
  },
  {
    name: '"error": null beside every result',
    seen: 'Ganache, JSON-RPC 1 libraries',
    answer: async (call, ask) => {
      const answer = await ask(call)
      return wire(call, answer.error === undefined ? { result: answer.result, error: null } : answer)
    },
  },
  {
    name: '"result": null beside every error',
    seen: 'JSON-RPC 1 libraries',
    answer: async (call, ask) => {
      const answer = await ask(call)
      return wire(call, answer.error === undefined ? answer : { result: null, error: answer.error })
    },
  },
  {
    name: 'ids as text',
    seen: 'proxies in Java',
    answer: async (call, ask) => wire({ id: String(call.id) }, await ask(call)),
  },
  {
    name: 'no jsonrpc member',
    seen: 'proxies',
    answer: async (call, ask) => ({ body: JSON.stringify({ id: call.id, ...(await ask(call)) }) }),
  },
  {
    name: 'results under HTTP 201',
    seen: 'gateways',
    answer: async (call, ask) => wire(call, await ask(call), { status: 201 }),
  },
  {
    name: 'results under HTTP 400',
    seen: 'gateways',
    answer: async (call, ask) => wire(call, await ask(call), { status: 400 }),
  },
  {
    name: 'results under HTTP 500',
    seen: 'OpenEthereum behind proxies',
    answer: async (call, ask) => wire(call, await ask(call), { status: 500 }),
  },
  {
    name: 'answers as text/plain with a byte order mark and white space',
    seen: 'IIS',
    answer: async (call, ask) => ({
      headers: { 'content-type': 'text/plain' },
      body: `\ufeff  ${wire(call, await ask(call)).body}\r\n`,
    }),
  },
  {
    name: 'receipt status as a number',
    seen: 'proxies',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({ ...receipt, status: Number(receipt.status) })),
  },
  {
    name: 'receipt status as a boolean',
    seen: 'proxies',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      status: receipt.status === '0x1',
    })),
  },
  {
    name: 'receipts with unknown fields and types',
    seen: 'OP stack deposits, Arbitrum',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      type: '0x7e',
      depositNonce: '0x1',
      gasUsedForL1: null,
      timeboosted: false,
    })),
  },
  {
    name: 'logs without removed, blockHash or transactionHash',
    seen: 'light gateways',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      logs: (receipt as unknown as Receipt).logs.map(({ address, topics, data }) => ({
        address,
        topics,
        data,
      })),
    })),
  },
  {
    name: 'logs with removed: "false"',
    seen: 'proxies',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      logs: (receipt as unknown as Receipt).logs.map((log) => ({ ...log, removed: 'false' })),
    })),
  },
  {
    name: 'logs marked removed: they do not count',
    seen: 'nodes in the middle of a reorg',
    outcome: 'not anchored',
    answer: edits('eth_getTransactionReceipt', (receipt) => ({
      ...receipt,
      logs: (receipt as unknown as Receipt).logs.map((log) => ({ ...log, removed: true })),
    })),
  },
]
