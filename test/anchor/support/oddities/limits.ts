/** Endpoints that take few calls, or fail some. Repeating a call is enough. */
import { error, isSending, limited, oneIn, type Row, when } from './row.ts'

const html = { headers: { 'content-type': 'text/html' }, body: '<html>We will be right back</html>' }
const tooMany = (headers: Record<string, string> = {}) => ({
  status: 429,
  headers,
  body: 'Too Many Requests',
})

export const LIMITS: Row[] = [
  {
    name: 'four calls a second, then 429 with Retry-After',
    seen: 'public gateways',
    odd: limited(4, tooMany({ 'retry-after': '1' })),
  },
  {
    name: 'ten calls a second, then 429 without Retry-After',
    seen: 'public gateways',
    odd: limited(10, tooMany()),
  },
  {
    name: 'eight calls a second, then Retry-After as a date',
    seen: 'CDNs',
    odd: limited(8, () => tooMany({ 'retry-after': new Date(Date.now() + 1_500).toUTCString() })),
  },
  {
    name: 'eight calls a second, then -32005 in other words',
    seen: 'Infura, public gateways',
    odd: limited(8, error(-32005, 'daily request count exceeded, request rate limited')),
  },
  {
    name: 'eight calls a second, then -32005 that names its pause',
    seen: 'Infura',
    odd: limited(8, error(-32005, 'project ID request rate exceeded', { rate: { backoff_seconds: 1 } })),
  },
  {
    name: 'eight calls a second, then code 429 under HTTP 200',
    seen: 'Alchemy',
    odd: limited(8, error(429, 'Your app has exceeded its compute units per second capacity.')),
  },
  {
    name: 'eight calls a second, then -32000 in words only',
    seen: 'self-made gateways',
    odd: limited(8, error(-32000, 'too many requests, try again later')),
  },
  { name: 'eight calls a second, then HTML with status 200', seen: 'Cloudflare', odd: limited(8, html) },
  {
    name: 'one answer in three is "header not found"',
    seen: 'balancers over go-ethereum',
    odd: oneIn(3, error(-32000, 'header not found')),
  },
  {
    name: 'one answer in three is a missing trie node',
    seen: 'pruned nodes behind balancers',
    odd: oneIn(3, error(-32000, 'missing trie node 4c8f (path ) state 0x4c8f is not available')),
  },
  {
    name: 'one answer in three is an internal error',
    seen: 'Reth, Nethermind under load',
    odd: oneIn(3, error(-32603, 'Internal error')),
  },
  {
    name: 'one answer in three is a timeout of the gateway',
    seen: 'QuickNode, Ankr',
    odd: oneIn(3, error(-32000, 'request timed out')),
  },
  {
    name: 'one answer in three is HTTP 502',
    seen: 'nginx',
    odd: oneIn(3, { status: 502, body: '<html>Bad Gateway</html>' }),
  },
  {
    name: 'one answer in three is HTTP 503 with a JSON-RPC error',
    seen: 'HAProxy',
    odd: oneIn(3, { ...error(-32000, 'no backend'), status: 503 }),
  },
  { name: 'one connection in three breaks', seen: 'overloaded nodes', odd: oneIn(3, { fault: 'break' }) },
  {
    name: 'one call in five hangs',
    seen: 'overloaded nodes',
    odd: oneIn(5, { fault: 'hang' }),
  },
  {
    name: 'the first three calls fail with 503',
    seen: 'nodes that start',
    odd: when(({ count }) => count <= 3, { status: 503, body: 'starting' }),
  },
  {
    name: 'the first sending is over the limit',
    seen: 'gateways that count sends apart',
    odd: when((call) => isSending(call) && call.countOfMethod === 1, tooMany({ 'retry-after': '1' })),
  },
]
