import type { Logger } from '../core/ports.ts'
import { callRpc } from './rpc.ts'

/** With nothing to finalize, a block comes only every so many periods: the chain's clock goes on, its file stays small. */
const IDLE_PERIODS = 6

type Block = { number: string; transactions: string[] }

/**
 * Makes an automining chain go on between transactions: a block every `everyMs` while any block with a transaction
 * is not final yet, so that it becomes final; else one every six periods.
 */
export function keepMining(url: string, everyMs: number, logger?: Logger): { close(): Promise<void> } {
  let idle = 0
  let last = ''
  let closed = false
  let running = Promise.resolve()

  const round = async () => {
    try {
      const { latest, waiting } = await tip(url)
      idle = latest === last ? idle + 1 : 0
      last = latest
      if (closed || !(waiting || idle >= IDLE_PERIODS)) return
      await callRpc(url, 'evm_mine')
    } catch (error) {
      if (!closed) logger?.warn({ err: error, url }, 'no block could be made')
    }
  }
  const timer = setInterval(() => {
    running = running.then(round)
  }, everyMs).unref()

  return {
    async close() {
      closed = true
      clearInterval(timer)
      await running
    },
  }
}

async function tip(url: string): Promise<{ latest: string; waiting: boolean }> {
  const block = async (tag: string) => (await callRpc(url, 'eth_getBlockByNumber', [tag, false])) as Block
  const [latest, finalized] = await Promise.all([block('latest'), block('finalized')])
  let waiting = latest.transactions.length > 0
  for (let n = Number(latest.number) - 1; !waiting && n > Number(finalized.number); n--) {
    waiting = (await block(`0x${n.toString(16)}`)).transactions.length > 0
  }
  return { latest: latest.number, waiting }
}
