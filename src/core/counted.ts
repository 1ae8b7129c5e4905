/** `1 hash`, `2 hashes`: the number with its noun. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`
}

export function hashes(count: number): string {
  return counted(count, 'hash', 'hashes')
}
