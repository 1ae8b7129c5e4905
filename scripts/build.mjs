/**
 * Builds what is not fresh: contract, WebAssembly kernel, client, daemon. A step is fresh when neither its inputs nor
 * its outputs have changed since it last ran, by content. `node scripts/build.mjs [step …] [--force]`.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const RECORD = join(ROOT, 'build/fresh.json')
const TSC = 'node_modules/typescript/bin/tsc'

const STEPS = [
  {
    name: 'contracts',
    run: ['contracts/build.mjs'],
    inputs: ['contracts/AnchorRegistry.sol', 'contracts/build.mjs'],
    outputs: ['contracts/build', 'src/anchor/contract/registry.generated.ts'],
  },
  {
    name: 'wasm',
    run: ['scripts/build-wasm.mjs'],
    inputs: ['src/merkle/kernel/assembly', 'scripts/build-wasm.mjs'],
    outputs: ['src/merkle/kernel/wasm.generated.ts'],
  },
  {
    name: 'client',
    run: [TSC, '-p', 'clients/typescript/tsconfig.build.json'],
    inputs: [
      'tsconfig.base.json',
      'clients/typescript/tsconfig.json',
      'clients/typescript/tsconfig.build.json',
      'clients/typescript/package.json',
      'clients/typescript/src',
    ],
    compiles: { from: 'clients/typescript/src', to: 'clients/typescript/dist' },
  },
  {
    name: 'daemon',
    run: [TSC, '-p', 'tsconfig.build.json'],
    inputs: ['tsconfig.base.json', 'tsconfig.json', 'tsconfig.build.json', 'src', 'clients/typescript/src'],
    compiles: { from: 'src', to: 'dist' },
  },
]

const force = process.argv.includes('--force')
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = wanted.find((name) => !STEPS.some((step) => step.name === name))
if (unknown !== undefined) {
  console.error(`There is no build step ${unknown}; steps are ${STEPS.map(({ name }) => name).join(', ')}.`)
  process.exit(64)
}
const record = readRecord()
for (const step of STEPS) {
  if (wanted.length > 0 && !wanted.includes(step.name)) continue
  const known = record[step.name]
  const intact = known?.outputs === hashOf(outputsOf(step))
  if (!force && intact && known.inputs === inputHash(step)) continue
  // tsc writes nothing that its own record says is there.
  if (step.compiles && (force || !intact))
    rmSync(join(ROOT, step.compiles.to, '.tsbuildinfo'), { force: true })
  run(step)
  const sources = sourcesOf(step)
  removeOutputs(
    step,
    (known?.sources ?? []).filter((source) => !sources.includes(source)),
  )
  record[step.name] = { inputs: inputHash(step), outputs: hashOf(outputsOf(step)), sources }
  mkdirSync(dirname(RECORD), { recursive: true })
  writeFileSync(RECORD, `${JSON.stringify(record, null, 2)}\n`)
}

function inputHash({ inputs }) {
  return hashOf([...inputs, 'package-lock.json'])
}

/** What tsc compiles, relative to its folder and without the ending; none for other steps. */
function sourcesOf({ compiles }) {
  if (compiles === undefined) return []
  const folder = join(ROOT, compiles.from)
  return filesOf(folder)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => relative(folder, file).slice(0, -'.ts'.length))
}

function outputsOf(step) {
  const compiled = sourcesOf(step).flatMap((source) => compiledOf(step, source).slice(0, 2))
  return [...(step.outputs ?? []), ...compiled]
}

function compiledOf({ compiles }, source) {
  return ['.js', '.d.ts', '.js.map'].map((ending) => join(compiles.to, `${source}${ending}`))
}

/** Of sources that were moved or deleted. */
function removeOutputs(step, sources) {
  for (const source of sources)
    for (const file of compiledOf(step, source)) rmSync(join(ROOT, file), { force: true })
}

function readRecord() {
  try {
    return JSON.parse(readFileSync(RECORD, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return {}
    throw error
  }
}

/** SHA-256 over the names and contents of the files, folders read to their depth; what is missing counts as missing. */
function hashOf(paths) {
  const hash = createHash('sha256')
  for (const file of paths.flatMap((path) => filesOf(join(ROOT, path)))) {
    hash.update(`${relative(ROOT, file)}\0`)
    hash.update(existsSync(file) ? createHash('sha256').update(readFileSync(file)).digest() : 'missing')
  }
  return hash.digest('hex')
}

function filesOf(path) {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path]
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesOf(join(path, name)))
}

function run({ name, run: [script, ...args] }) {
  const { status, signal } = spawnSync(process.execPath, [join(ROOT, script), ...args], {
    cwd: ROOT,
    stdio: 'inherit',
  })
  if (status === 0) return
  console.error(`build step ${name} failed${signal ? ` (${signal})` : ''}`)
  process.exit(status ?? 1)
}
