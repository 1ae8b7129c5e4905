/** Questions on the account, the contract and the pool, and what sending is answered with. */
import { asItIs, type Call, type Reply } from './odd-node.ts'
import { asked, edited, error, isSending, type Row, when } from './row.ts'

const ORACLE = '0x420000000000000000000000000000000000000f'
const isOracle = ({ method, params }: Call) =>
  method === 'eth_call' && (params[0] as { to?: string }).to?.toLowerCase() === ORACLE
const isPending = ({ method, params }: Call) =>
  method === 'eth_getTransactionCount' && params[1] === 'pending'
const result = (value: unknown) => (call: Call) => ({ body: JSON.stringify({ id: call.id, result: value }) })
/** The node has the bytes when this is said. */
const afterTaking = (reply: Reply | ((call: Call) => Reply | Promise<Reply>)) => async (call: Call) => {
  await call.forward()
  return typeof reply === 'function' ? reply(call) : reply
}
const taken = (reply: Reply) =>
  when((call) => isSending(call) && call.countOfMethod === 1, afterTaking(reply))

export const STATE: Row[] = [
  {
    name: 'no eth_getBalance',
    seen: 'gateways of L2s',
    odd: when(asked('eth_getBalance'), error(-32601, 'method not found')),
  },
  {
    name: 'no eth_getCode',
    seen: 'gateways',
    odd: when(asked('eth_getCode'), error(-32601, 'method not found')),
  },
  {
    name: '`pending` refused',
    seen: 'Filecoin, zkSync gateways',
    odd: when(isPending, error(-32602, 'pending block is not available')),
  },
  { name: '`pending` answered with null', seen: 'light clients', odd: when(isPending, result(null)) },
  {
    name: 'a nonce that lags by one call',
    seen: 'balancers',
    odd: edited(
      (call) => call.method === 'eth_getTransactionCount' && call.countOfMethod === 1,
      (nonce) => `0x${Math.max(0, Number(nonce) - 1).toString(16)}`,
    ),
  },
  {
    name: 'a fee oracle that answers "Bad instruction"',
    seen: 'Parity',
    odd: when(isOracle, error(-32015, 'VM execution error. Bad instruction')),
  },
  {
    name: 'a fee oracle without code',
    seen: 'Filecoin, RSK',
    odd: when(isOracle, error(-32000, 'no contract code at given address')),
  },
  {
    name: 'no eth_call',
    seen: 'write-only gateways',
    odd: when(asked('eth_call'), error(-32601, 'method not found')),
  },
  { name: 'eth_call answered with 0x', seen: 'nodes that lag', odd: when(asked('eth_call'), result('0x')) },
  {
    name: 'a head that goes back and forth',
    seen: 'balancers',
    odd: edited(
      asked('eth_blockNumber'),
      (head, { countOfMethod }) => `0x${(Number(head) - (countOfMethod % 2)).toString(16)}`,
    ),
  },
  {
    name: 'the bytes taken and "already known" said',
    seen: 'go-ethereum',
    odd: taken(error(-32000, 'already known')),
  },
  {
    name: 'the bytes taken and the connection broken',
    seen: 'overloaded nodes',
    odd: taken({ fault: 'break' }),
  },
  {
    name: 'the bytes taken and HTML said',
    seen: 'Cloudflare',
    odd: taken({ body: '<html>Error 524</html>' }),
  },
  {
    name: 'the bytes taken and HTTP 504 said',
    seen: 'gateways',
    odd: taken({ status: 504, body: 'timeout' }),
  },
  {
    name: 'the bytes taken and an internal error said',
    seen: 'Erigon',
    odd: taken(error(-32603, 'Internal error')),
  },
  {
    name: 'the bytes taken and null said',
    seen: 'relays',
    odd: when(isSending, afterTaking(result(null))),
  },
  {
    name: 'the bytes taken twice',
    seen: 'balancers that send to all nodes',
    odd: when(isSending, afterTaking(asItIs)),
  },
  {
    name: 'the bytes dropped and accepted said',
    seen: 'relays',
    odd: when((call) => isSending(call) && call.countOfMethod === 1, result(`0x${'5a'.repeat(32)}`)),
  },
]
