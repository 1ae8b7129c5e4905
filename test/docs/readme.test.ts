import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import { describe, expect, it } from 'vitest'
import { startLittleServer } from '../../clients/typescript/test/support/little-server.ts'
import { ENVIRONMENT } from '../../src/config/environment.ts'
import { runHoldfast, runProcess } from '../support/process.ts'
import vectors from '../vectors/receipt.json' with { type: 'json' }

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const readme = read('README.md')
const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>

const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, code]) => code!)

describe('README.md', () => {
  it('names npm scripts that are there', () => {
    const used = [...readme.matchAll(/npm (?:run )?(start|test|demo|[a-z]+:[a-z-]+)/g)].map(
      ([, name]) => name!,
    )
    expect(new Set(used)).toEqual(new Set(['start', 'test', 'demo']))
    for (const name of used) expect(manifest.scripts).toHaveProperty(name)
  })

  it('shows commands and options that the command line has', async () => {
    const lines = blocks('sh')
      .join('\n')
      .split('\n')
      .flatMap((line) => /^npx holdfast ([^#]*)/.exec(line)?.[1] ?? [])
    expect(lines.length).toBeGreaterThan(8)
    for (const line of lines) {
      const words = line.trim().split(/\s+/)
      const command = words[0] === 'keys' ? words.slice(0, 2) : words.slice(0, 1)
      const run = runHoldfast([...command, '--help'])
      expect((await run.exit()).code).toBe(0)
      const text = run.stdout()
      expect(text).toContain(`holdfast ${command.join(' ')}`)
      for (const option of words.filter((word) => word.startsWith('--'))) expect(text).toContain(option)
    }
  })

  it('sets environment variables that the configuration knows', () => {
    const known = ENVIRONMENT.map(({ name }) => name)
    const used = [...readme.matchAll(/export ([A-Z_]+)=/g)].map(([, name]) => name!)
    expect(used.length).toBe(4)
    for (const name of used) expect(known).toContain(name)
  })

  it('links to files and headings that are there', () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)/g)]
    expect(links.length).toBeGreaterThan(10)
    for (const [, file, heading] of links) {
      expect(existsSync(new URL(file!, root)), file).toBe(true)
      if (heading === undefined) continue
      const slugs = [...read(file!).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
        title!
          .toLowerCase()
          .replace(/[^\w\s-]/g, '')
          .replaceAll(' ', '-'),
      )
      expect(slugs).toContain(heading)
    }
  })

  it('pushes a record with the JavaScript that it shows', async () => {
    const [push] = blocks('js')
    const receipt = vectors.receipts[0]!
    const server = await startLittleServer(({ method, path }) =>
      method === 'GET'
        ? { json: { ...receipt, hash: path.split('/')[3] } }
        : { status: 202, json: { accepted: 1, receivedAt: receipt.receivedAt, anchorBy: null } },
    )
    try {
      const code = `${push!.replace('http://127.0.0.1:8080', server.url)}\nconsole.log(JSON.stringify({ hashes, receipt }))`
      const run = runProcess(process.execPath, ['--input-type=module', '--eval', code], {
        cwd: fileURLToPath(root),
        env: { HOLDFAST_API_KEY: 'hf_key' },
      })
      expect(await run.exit(), run.output()).toEqual({ code: 0, signal: null })
      const printed = JSON.parse(run.stdout())
      expect(printed.receipt).toEqual({ ...receipt, hash: printed.hashes[0] })
      const pushed = server.seen.find(({ method }) => method === 'POST')
      expect(printed.hashes).toEqual([`0x${pushed!.body.toString('hex')}`])
      expect(pushed!.headers.authorization).toBe('Bearer hf_key')
    } finally {
      await server.close()
    }
  })

  it('verifies a golden receipt with the JavaScript that it shows', () => {
    const [, verify] = blocks('js')
    const body = verify!.replace(/^import .*$/m, '')
    const proven = new Function('StandardMerkleTree', 'receipt', `${body}; return proven`)
    for (const receipt of vectors.receipts) expect(proven(StandardMerkleTree, receipt)).toBe(true)
    const [receipt, other] = vectors.receipts
    expect(proven(StandardMerkleTree, { ...receipt, hash: other!.hash })).toBe(false)
  })
})

describe('docs/dependencies.md', () => {
  it('has a line for each package of package.json, and no other', () => {
    const page = read('docs/dependencies.md')
    const listed = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name!)
    const used = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((kind) =>
      Object.keys(manifest[kind]!),
    )
    expect(listed).toEqual(used)
  })
})
