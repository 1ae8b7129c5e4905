/**
 * Keeps a development chain across restarts. anvil's own --state-interval overwrites its file in place, so that a
 * kill in the middle leaves half a file; here the state is asked for by RPC and replaces the file atomically.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Logger } from '../core/ports.ts'
import { callRpc } from './rpc.ts'

/** Asks the node for its whole state and replaces `stateFile` (gzip of anvil's JSON) with it. */
export async function saveState(url: string, stateFile: string): Promise<void> {
  const hex = (await callRpc(url, 'anvil_dumpState', [], 60_000)) as string
  const temporary = `${stateFile}.new`
  const file = openSync(temporary, 'w', 0o644)
  try {
    writeFileSync(file, Buffer.from(hex.slice(2), 'hex'))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, stateFile)
}

/** The saved state as anvil's JSON; null when there is none. A file that cannot be read as one is set aside. */
export function loadState(stateFile: string, logger?: Logger): Buffer | null {
  if (!existsSync(stateFile)) return null
  try {
    const json = gunzipSync(readFileSync(stateFile))
    JSON.parse(json.toString('utf8'))
    return json
  } catch (error) {
    setAside(stateFile, error, logger)
    return null
  }
}

/** Moves a state that cannot be used out of the way, and says so: the chain then starts anew. */
export function setAside(stateFile: string, error: unknown, logger?: Logger): void {
  const aside = `${stateFile}.unusable-${Date.now()}`
  renameSync(stateFile, aside)
  logger?.warn(
    { err: error, stateFile, aside },
    'the saved chain could not be read: it is set aside, a new one starts',
  )
}

/**
 * Saves the state whenever the newest block has changed, at most once a second, and spends at most a tenth of the
 * time on it. `close` saves a last time.
 */
export function keepState(url: string, stateFile: string, logger?: Logger): { close(): Promise<void> } {
  let saved = ''
  let closed = false
  let timer: NodeJS.Timeout | undefined

  const save = async () => {
    const { hash } = (await callRpc(url, 'eth_getBlockByNumber', ['latest', false])) as { hash: string }
    if (hash === saved) return
    await saveState(url, stateFile)
    saved = hash
  }
  const round = async () => {
    const started = performance.now()
    try {
      await save()
    } catch (error) {
      if (!closed) logger?.warn({ err: error, stateFile }, 'the chain could not be saved')
    }
    if (!closed) timer = setTimeout(startRound, Math.max(1000, 10 * (performance.now() - started))).unref()
  }
  let running = Promise.resolve()
  const startRound = () => {
    running = round()
  }
  timer = setTimeout(startRound, 1000).unref()

  return {
    async close() {
      closed = true
      clearTimeout(timer)
      await running
      saved = ''
      await save()
    },
  }
}
