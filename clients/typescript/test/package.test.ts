import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const client = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const MOST_BYTES = 2 * 1024 * 1024
const COMPILERS = ['5.4.5', '6.0.3']
const QUIETLY = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']

/** A project that has installed the packed client and nothing else. */
let project: string
let tarball: string

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'holdfast-client-'))
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', project], client)) as {
    filename: string
  }[]
  tarball = join(project, packed!.filename)
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'fresh', private: true, type: 'module' }),
  )
  run('npm', ['install', ...QUIETLY, tarball], project)
}, 180_000)
afterAll(() => rmSync(project, { recursive: true }))

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

const USE = `
import { createHoldfastClient, HoldfastError, verifyReceipts, type Receipt, type Verification } from 'holdfast-client'
import { PUBLISHED_REGISTRY } from 'holdfast-client/format'

const client = createHoldfastClient({ url: 'http://127.0.0.1:8080', apiKey: 'hf_key' })
export async function use(hashes: AsyncIterable<string>, signal: AbortSignal): Promise<Receipt | null> {
  try {
    const { accepted }: { accepted: number } = await client.push(hashes, { signal, deadlineMs: 60_000 })
    await client.pushFile(new Blob(['x']))
    console.log(accepted, PUBLISHED_REGISTRY)
  } catch (error) {
    if (error instanceof HoldfastError && error.kind === 'retry') return null
    throw error
  }
  for await (const verification of verifyReceipts([], { rpc: { 1: ['https://rpc.example'] } })) {
    const { verdict, headline }: Verification = verification
    console.log(verdict, headline)
  }
  return client.waitFor('ab'.repeat(32), 'finalized', { signal })
}
`

describe('the packed client', { timeout: 180_000 }, () => {
  it('installs with its dependencies in 2 MB', () => {
    expect(bytesIn(join(project, 'node_modules'))).toBeLessThan(MOST_BYTES)
    const packages = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))
    expect(packages.sort()).toEqual(['@noble', 'canonicalize', 'holdfast-client'])
  })

  it.each(COMPILERS)('compiles with TypeScript %s, without types of Node', (version) => {
    // Beside the project: two compilers in one node_modules would fight over the name tsc.
    const compilers = join(project, `compiler-${version}`)
    mkdirSync(compilers)
    run('npm', ['install', '--prefix', compilers, ...QUIETLY, `typescript@${version}`], compilers)
    const tsc = join(compilers, 'node_modules/typescript/bin/tsc')
    const settings = [
      { module: 'node16', moduleResolution: 'node16' },
      { module: 'nodenext', moduleResolution: 'nodenext' },
      { module: 'esnext', moduleResolution: 'bundler' },
    ]
    for (const setting of settings) {
      const folder = join(project, `${version}-${setting.moduleResolution}`)
      mkdirSync(folder)
      writeFileSync(join(folder, 'use.ts'), USE)
      const compilerOptions = {
        ...setting,
        target: 'es2022',
        lib: ['es2022', 'dom', 'dom.iterable'],
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
      }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['use.ts'] }))
      run(process.execPath, [tsc, '-p', folder], folder)
    }
  })

  it('is published as publint and are-the-types-wrong want it', async () => {
    const { messages } = await publint({
      pkgDir: join(project, 'node_modules/holdfast-client'),
      strict: true,
    })
    expect(messages).toEqual([])
    const attw = join(require.resolve('@arethetypeswrong/cli/package.json'), '../dist/index.js')
    run(process.execPath, [attw, tarball, '--profile', 'esm-only'], project)
  })

  it('runs as installed', () => {
    const code = "import { hashRecord } from 'holdfast-client'; console.log(hashRecord({ b: 1, a: 2 }))"
    const printed = run(process.execPath, ['--input-type=module', '--eval', code], project)
    expect(printed.trim()).toBe('0xd3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772')
  })
})
