import { existsSync, readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'

/** The key that was given, or else, for a daemon on this machine only, the one that `holdfast dev` left in this folder. */
export function apiKeyFrom(options: { key?: string; url: string }): { apiKey?: string } {
  if (options.key) return { apiKey: options.key }
  const file = '.holdfast/api-key'
  return isLoopback(options.url) && existsSync(file) ? { apiKey: readFileSync(file, 'utf8').trim() } : {}
}

function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}
