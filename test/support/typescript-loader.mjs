// Lets a child process of a test run TypeScript sources directly: node --import <this file> <file>.ts
// Transpiled modules are kept in node_modules/.cache, so that only the first of many children pays for them.
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) register(import.meta.url)

const OPTIONS = { target: 'es2023', module: 'esnext', verbatimModuleSyntax: true, inlineSourceMap: true }
const CACHE = new URL('../../node_modules/.cache/holdfast-typescript/', import.meta.url)
let typescript

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context)
  const file = fileURLToPath(url)
  const source = await readFile(file, 'utf8')
  // The source map names the file, so equal sources of two files are two entries.
  const key = createHash('sha256')
    .update(JSON.stringify([OPTIONS, file, source]))
    .digest('hex')
  const cached = new URL(`${key}.js`, CACHE)
  const text = await readFile(cached, 'utf8').catch(() => undefined)
  return { format: 'module', source: text ?? (await transpile(file, source, cached)), shortCircuit: true }
}

async function transpile(file, source, cached) {
  typescript ??= (await import('typescript')).default
  const { outputText } = typescript.transpileModule(source, { compilerOptions: OPTIONS, fileName: file })
  await mkdir(CACHE, { recursive: true })
  // Renamed into place: other children read it meanwhile.
  const temporary = new URL(`${cached.href}.${process.pid}`)
  await writeFile(temporary, outputText)
  await rename(temporary, cached)
  return outputText
}
