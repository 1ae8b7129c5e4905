import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ENVIRONMENT } from '../../src/config/environment.ts'
import { configSchema } from '../../src/config/schema.ts'

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

/** Cells of the rows of the table under a heading. */
function table(heading: string): string[][] {
  const section = page.split(`## ${heading}\n`)[1]!.split('\n## ')[0]!
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

type Node = {
  properties?: Record<string, Node>
  items?: Node
  oneOf?: Node[]
  type?: string
  default?: unknown
  required?: string[]
}

function settings(node: Node, path: string, required: boolean): Map<string, string> {
  const found = new Map<string, string>()
  if (node.properties) {
    for (const [key, child] of Object.entries(node.properties)) {
      const at = path === '' ? key : `${path}.${key}`
      for (const each of settings(child, at, node.required?.includes(key) === true)) found.set(...each)
    }
  } else if (node.oneOf) {
    // Required is what no variant that knows it can do without.
    for (const variant of node.oneOf) {
      for (const [name, standard] of settings(variant, path, required)) {
        if (found.get(name) !== 'none') found.set(name, standard)
      }
    }
  } else if (node.items?.properties) {
    for (const each of settings(node.items, `${path}[]`, false)) found.set(...each)
  } else {
    const standard = node.default === undefined ? 'none' : `\`${JSON.stringify(node.default)}\``
    found.set(`\`${path}\``, required ? 'required' : standard)
  }
  return found
}

describe('docs/configuration.md', () => {
  it('lists every setting with its default, and no other', () => {
    const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Node
    const expected = settings(schema, '', false)
    expected.set('`chains[].registry`', 'the CREATE2 address')
    expect(Object.fromEntries(table('Settings').map(([name, standard]) => [name!, standard!]))).toEqual(
      Object.fromEntries(expected),
    )
  })

  it('lists every environment variable with what it sets, and no other', () => {
    expect(table('Environment variables')).toEqual(
      ENVIRONMENT.map(({ name, path, kind }) => [
        `\`${name}\``,
        `\`${path.replace(/^chain\./, 'chains[].')}\``,
        kind,
      ]),
    )
  })
})
