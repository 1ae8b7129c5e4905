/**
 * A real EVM node for development and tests: the anvil binary from npm. In: optionally a file that keeps the chain.
 * Out: an RPC URL and `stop`.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { HoldfastError } from '../core/errors.ts'
import type { Logger } from '../core/ports.ts'
import { keepState, loadState, saveState, setAside } from './anvil-state.ts'
import { keepMining } from './blocks.ts'
import { assertPortFree } from './ports.ts'
import {
  assertNotOwned,
  isAlive,
  logTail,
  readClaim,
  removeClaim,
  type ServerProcess,
  type StopStep,
  spawnServer,
  stopProcess,
  writeClaim,
} from './processes.ts'
import { callRpc } from './rpc.ts'

export type Anvil = {
  /** `http://127.0.0.1:<port>` */
  url: string
  port: number
  pid: number
  /** Whether the chain of the state file goes on; false when it is a new one. */
  resumed: boolean
  /** Resolves when the node is gone, wanted or not, with a few words on how it ended. */
  exited: Promise<string>
  /** Saves the chain (with a state file) and ends the node; no process is left. */
  stop(): Promise<void>
}

export type AnvilOptions = {
  /** Default: a port that the system picks. */
  port?: number | undefined
  /** How the user picks another port, for the message when this one is taken. */
  choosePort?: string
  stateFile?: string
  /** Default 31337. */
  chainId?: number
  /** Mines a block this often until every transaction is final, then one in six. */
  blockEveryMs?: number
  /** More of anvil's own options. */
  args?: readonly string[]
  logger?: Logger
}

/** Two slots an epoch: the finalized block is the newest but four. */
const SLOTS_IN_AN_EPOCH = 2
const READY_WITHIN_MS = 20_000
const STOP: readonly StopStep[] = [
  { signal: 'SIGTERM', withinMs: 5_000 },
  { signal: 'SIGKILL', withinMs: 5_000 },
]

/**
 * Starts anvil on 127.0.0.1. It mines a block for every transaction at once.
 *
 * With a `stateFile` the chain is saved within about a second of each block and continues at the next start. An
 * unreadable file is set aside with a warning. A node that an earlier run left behind on the same file is saved and
 * stopped first. anvil restores no state older than its newest block, so a resumed chain gets a few empty blocks, after
 * which `finalized` can be read.
 *
 * @throws INVALID_CONFIG port taken, state in use by another process, package not installed
 * @throws CHAIN_UNAVAILABLE the node did not come up; the message has the end of its log
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { logger } = options
  const stateFile = options.stateFile === undefined ? undefined : resolve(options.stateFile)
  const claimFile = stateFile === undefined ? undefined : `${stateFile}.claim.json`
  if (stateFile !== undefined && claimFile !== undefined) {
    mkdirSync(dirname(stateFile), { recursive: true })
    await stopLeftover(stateFile, claimFile, logger)
  }
  if (options.port !== undefined)
    await assertPortFree(options.port, 'the chain', options.choosePort ?? 'the port option')

  const logFile = logFileOf(stateFile)
  // Claimed before it is ready: the next start stops a node that a killed start left behind.
  const claim = (pid: number, port: number | null) => {
    if (claimFile !== undefined) writeClaim(claimFile, pid, port)
  }
  const { server, port, resumed } = await launchWithState(
    argumentsOf(options),
    logFile,
    stateFile,
    claim,
    logger,
  ).catch((error: unknown) => {
    if (claimFile !== undefined) removeClaim(claimFile)
    throw error
  })
  claim(server.pid, port)
  // Without a state file the log only told the port, or why the start failed.
  if (stateFile === undefined) rmSync(logFile, { force: true })
  const url = `http://127.0.0.1:${port}`
  const closers = await prepareChain(url, resumed, stateFile, options).catch(async (error: unknown) => {
    await server.stop(STOP)
    throw error
  })
  logger?.debug({ pid: server.pid, port, resumed }, 'the chain is up')

  return {
    url,
    port,
    pid: server.pid,
    resumed,
    exited: server.exited,
    async stop() {
      for (const closer of closers.splice(0)) {
        try {
          await closer.close()
        } catch (error) {
          logger?.warn({ err: error, stateFile }, 'the chain could not be saved before it stopped')
        }
      }
      await server.stop(STOP)
      if (claimFile !== undefined) removeClaim(claimFile)
    },
  }
}

function argumentsOf({ port, chainId, args }: AnvilOptions): string[] {
  return [
    ...['--host', '127.0.0.1', '--port', String(port ?? 0)],
    ...['--chain-id', String(chainId ?? 31337), '--slots-in-an-epoch', String(SLOTS_IN_AN_EPOCH)],
    ...(args ?? []),
  ]
}

function logFileOf(stateFile: string | undefined): string {
  if (stateFile !== undefined) return `${stateFile}.log`
  return join(tmpdir(), `holdfast-anvil-${process.pid}-${serial++}.log`)
}

/** Starts what runs beside the node, mining and saving. Returns what must be closed before it stops. */
async function prepareChain(
  url: string,
  resumed: boolean,
  stateFile: string | undefined,
  { blockEveryMs, logger }: AnvilOptions,
): Promise<{ close(): Promise<void> }[]> {
  const closers: { close(): Promise<void> }[] = []
  await callRpc(url, 'anvil_setLoggingEnabled', [false])
  if (resumed) await callRpc(url, 'anvil_mine', [`0x${(2 * SLOTS_IN_AN_EPOCH + 1).toString(16)}`])
  if (blockEveryMs !== undefined) closers.push(keepMining(url, blockEveryMs, logger))
  if (stateFile !== undefined) closers.push(keepState(url, stateFile, logger))
  return closers
}

let serial = 0

function findAnvilBinary(): string {
  const platform = process.platform
  const name = `@foundry-rs/anvil-${platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  try {
    const launcher = createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json')
    const root = dirname(createRequire(launcher).resolve(`${name}/package.json`))
    return join(root, 'bin', platform === 'win32' ? 'anvil.exe' : 'anvil')
  } catch (cause) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `The development chain (${name}) is not installed. Run npm ci without --omit=optional on a supported platform, or give "holdfast serve" the RPC URL of a chain.`,
      { cause },
    )
  }
}

async function stopLeftover(stateFile: string, claimFile: string, logger: Logger | undefined): Promise<void> {
  const claim = readClaim(claimFile)
  assertNotOwned(claim, stateFile)
  if (claim?.child && isAlive(claim.child)) {
    logger?.warn({ pid: claim.child.pid, stateFile }, 'stopping a chain left from an earlier run')
    if (claim.port !== null) {
      try {
        await saveState(`http://127.0.0.1:${claim.port}`, stateFile)
      } catch (error) {
        logger?.warn(
          { err: error, stateFile },
          'the chain left from an earlier run could not be saved once more',
        )
      }
    }
    await stopProcess(claim.child, STOP)
  }
  removeClaim(claimFile)
}

async function launchWithState(
  base: readonly string[],
  logFile: string,
  stateFile: string | undefined,
  claim: (pid: number, port: null) => void,
  logger: Logger | undefined,
): Promise<{ server: ServerProcess; port: number; resumed: boolean }> {
  const state = stateFile === undefined ? null : loadState(stateFile, logger)
  if (stateFile !== undefined && state !== null) {
    const json = `${stateFile}.loading`
    writeFileSync(json, state)
    try {
      return { ...(await launch([...base, '--load-state', json], logFile, claim)), resumed: true }
    } catch (error) {
      if (!/load-state|load (init )?state/i.test(String(error))) throw error
      setAside(stateFile, error, logger)
    } finally {
      rmSync(json, { force: true })
    }
  }
  return { ...(await launch(base, logFile, claim)), resumed: false }
}

async function launch(
  args: readonly string[],
  logFile: string,
  claim: (pid: number, port: null) => void,
): Promise<{ server: ServerProcess; port: number }> {
  const server = spawnServer({
    command: findAnvilBinary(),
    args,
    logFile,
    cwd: dirname(logFile),
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: process.env.HOME ?? tmpdir(), NO_COLOR: '1' },
    exitSignal: 'SIGTERM',
  })
  claim(server.pid, null)
  const deadline = Date.now() + READY_WITHIN_MS
  let how = `was not ready within ${READY_WITHIN_MS / 1000} s`
  while (Date.now() < deadline) {
    if (server.hasExited()) {
      how = await server.exited
      break
    }
    // The log names the port that this very process got; an answer alone could be another node's.
    const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(readFileSync(logFile, 'utf8'))?.[1]
    if (port !== undefined && (await answers(`http://127.0.0.1:${port}`)))
      return { server, port: Number(port) }
    await pause(10)
  }
  await server.stop(STOP)
  throw new HoldfastError('CHAIN_UNAVAILABLE', `anvil ${how}. The end of ${logFile}:\n${logTail(logFile)}`)
}

async function answers(url: string): Promise<boolean> {
  try {
    await callRpc(url, 'eth_chainId', [], 2_000)
    return true
  } catch (error) {
    if (error instanceof HoldfastError) return false
    throw error
  }
}
