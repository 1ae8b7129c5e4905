import { existsSync, readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { createHoldfastClient, type HoldfastClient } from 'holdfast-client'

/** Somebody is watching: a daemon that is away is told soon, and one that restarts is outlasted. */
const PATIENCE_MS = 15_000

/** For questions alone: nobody waits at a terminal for a daemon that is not there. */
export const LOOK_PATIENCE_MS = 1_000

export function clientFor(
  options: { key?: string; url: string },
  patienceMs: number = PATIENCE_MS,
): HoldfastClient {
  return createHoldfastClient({ url: options.url, ...apiKeyFrom(options), patienceMs })
}

/** The key that was given, or else, for a daemon on this machine only, the one that `holdfast dev` left in this folder. */
function apiKeyFrom(options: { key?: string; url: string }): { apiKey?: string } {
  if (options.key) return { apiKey: options.key }
  const file = '.holdfast/api-key'
  return isLoopback(options.url) && existsSync(file) ? { apiKey: readFileSync(file, 'utf8').trim() } : {}
}

function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}
