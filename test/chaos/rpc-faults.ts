import type { Fault, FaultProxy, RpcRequest } from '../anchor/support/fault-proxy.ts'
import { type FaultEvent, RPC_FAULTS, type RpcFaultKind, randomOf } from './schedule.ts'

export type RpcFaultEvent = Extract<FaultEvent, { kind: RpcFaultKind }>

export function isRpcFault(event: FaultEvent): event is RpcFaultEvent {
  return (RPC_FAULTS as readonly string[]).includes(event.kind)
}

/**
 * How nodes and gateways word what they think of a sent transaction; `carriedOut`: the endpoint passed it on all the
 * same. Some of them are untrue at the time, as an endpoint's cache can make them.
 */
const WORDINGS: readonly { code: number; message: string; carriedOut: boolean }[] = [
  { code: -32000, message: 'already known', carriedOut: true },
  { code: -32010, message: 'AlreadyKnown', carriedOut: true },
  { code: -32000, message: 'Known transaction', carriedOut: true },
  { code: -32000, message: 'ALREADY_EXISTS: already known', carriedOut: true },
  { code: -32000, message: 'nonce too low', carriedOut: true },
  { code: -32000, message: 'nonce too low: next nonce 9, tx nonce 8', carriedOut: false },
  { code: -32000, message: 'replacement transaction underpriced', carriedOut: false },
  { code: -32010, message: 'ReplacementNotAllowed', carriedOut: false },
  {
    code: -32000,
    message: 'transaction underpriced: gas tip cap 1, minimum needed 25000000000',
    carriedOut: false,
  },
  { code: -32003, message: 'max fee per gas less than block base fee', carriedOut: false },
  { code: -32000, message: 'txpool is full', carriedOut: false },
  { code: -32000, message: 'insufficient funds for gas * price + value: balance 0', carriedOut: false },
  { code: -32603, message: 'Internal error', carriedOut: true },
  { code: -32603, message: 'request timed out upstream', carriedOut: false },
  { code: -32005, message: 'daily request count exceeded, request rate limited', carriedOut: false },
]

/** What the endpoint does with each request while the fault lasts. */
function ruleOf(event: RpcFaultEvent): (request: RpcRequest) => Fault | undefined {
  const random = randomOf(event.seed)
  const lag = 1 + Math.floor(random() * 5)
  return ({ method }) => {
    if (random() >= event.share && event.kind !== 'rpc_stale') return undefined
    switch (event.kind) {
      case 'rpc_drop_reply':
        return { kind: 'drop_reply' }
      case 'rpc_drop_request':
      case 'rpc_refused':
        return { kind: 'drop_request' }
      case 'rpc_delay':
        return { kind: 'delay', ms: Math.floor(random() * 2_500) }
      case 'rpc_duplicate':
        return { kind: 'duplicate' }
      case 'rpc_429':
        return { kind: 'http', status: 429, headers: { 'retry-after': '1' }, body: 'Too Many Requests' }
      case 'rpc_503':
        return {
          kind: 'http',
          status: 503,
          body: '<html>Service Unavailable</html>',
          forward: random() < 0.5,
        }
      case 'rpc_wrong_id':
        return { kind: 'wrong_id' }
      case 'rpc_stale':
        return method === 'eth_sendRawTransaction' ? undefined : { kind: 'stale', blocks: lag }
      case 'rpc_wording': {
        if (method !== 'eth_sendRawTransaction') return undefined
        const { code, message, carriedOut } = WORDINGS[Math.floor(random() * WORDINGS.length)]!
        return { kind: 'error', code, message, forward: carriedOut }
      }
    }
  }
}

/** Applies faults to endpoints; several may last at once, and the first that has something to say decides. */
export function createRpcFaults(proxies: readonly FaultProxy[]): {
  begin(event: RpcFaultEvent): void
  /** Everything answers as it should from now on. */
  stop(): Promise<void>
} {
  const active = proxies.map(() => new Set<(request: RpcRequest) => Fault | undefined>())
  const timers = new Set<NodeJS.Timeout>()
  const refusing = new Set<FaultProxy>()
  let changes = Promise.resolve()
  for (const [index, proxy] of proxies.entries()) {
    proxy.rule = (request) => {
      for (const rule of active[index]!) {
        const fault = rule(request)
        if (fault !== undefined) return fault
      }
      return undefined
    }
  }
  const later = (ms: number, work: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, ms)
    timers.add(timer)
  }

  return {
    begin(event) {
      for (const index of event.endpoints) {
        const proxy = proxies[index]!
        if (event.kind === 'rpc_refused') {
          if (refusing.has(proxy)) continue
          refusing.add(proxy)
          changes = changes.then(() => proxy.refuse())
          later(event.forMs, () => {
            refusing.delete(proxy)
            changes = changes.then(() => proxy.accept())
          })
          continue
        }
        const rule = ruleOf(event)
        active[index]!.add(rule)
        later(event.forMs, () => active[index]!.delete(rule))
      }
    },
    async stop() {
      for (const timer of timers) clearTimeout(timer)
      for (const rules of active) rules.clear()
      await changes
      await Promise.all(proxies.map((proxy) => proxy.accept()))
    },
  }
}
