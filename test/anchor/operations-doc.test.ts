import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ANCHOR_REASONS } from '../../src/core/anchor-state.ts'

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')

/** What a test file's titles can be, `${…}` and `%s` standing for anything. */
function titlesIn(file: string): RegExp[] {
  const source = readFileSync(new URL(`../${file}.test.ts`, import.meta.url), 'utf8')
  return [...source.matchAll(/(?:\bit|\))\(\s*(['"`])([^\n]*?)\1,/g)].map(([, , title]) => {
    const fixed = title!.split(/\$\{[^}]*\}|%s/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    return new RegExp(`^${fixed.join('.*')}$`)
  })
}

/** The last column of the failure table: `file`: title · title; `file`: title. */
const named = page
  .slice(page.indexOf('## Failure, reaction, test'))
  .split('\n')
  .filter((line) => line.startsWith('|') && line.includes('`: '))
  .flatMap((line) => {
    const cell = line.split('|').at(-2)!.trim()
    const parts = cell.split(/(?:^|; )`([a-z/-]+)`: /).slice(1)
    return parts.flatMap((part, i) =>
      i % 2 === 0 ? parts[i + 1]!.split(' · ').map((title) => ({ file: part, title: title.trim() })) : [],
    )
  })

describe('docs/operations.md', () => {
  it('names many tests', () => {
    expect(named.length).toBeGreaterThan(50)
  })

  it.each(named)('names a test that is there: $file, $title', ({ file, title }) => {
    expect(titlesIn(file).some((pattern) => pattern.test(title))).toBe(true)
  })

  it('says what to do about every reason', () => {
    for (const reason of ANCHOR_REASONS) expect(page).toContain(`| \`${reason}\` |`)
  })

  it('names metrics that are there', () => {
    const folder = new URL('../../src/', import.meta.url)
    const source = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(new URL(name, folder), 'utf8'))
      .join('\n')
    for (const [metric] of page.matchAll(/holdfast_[a-z_]+/g)) expect(source).toContain(metric)
  })
})
