import { existsSync, readFileSync } from 'node:fs'

/** The key that was given, or else the one that `holdfast dev` left in this folder. */
export function apiKeyFrom(options: { key?: string }): { apiKey?: string } {
  if (options.key) return { apiKey: options.key }
  const file = '.holdfast/api-key'
  return existsSync(file) ? { apiKey: readFileSync(file, 'utf8').trim() } : {}
}
