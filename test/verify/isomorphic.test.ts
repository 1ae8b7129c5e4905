import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const source = fileURLToPath(new URL('../../src', import.meta.url))
const client = fileURLToPath(new URL('../../clients/typescript/src', import.meta.url))

/** Every module that the file loads when it runs: our own files as paths, packages by name. */
function modulesOf(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found
  found.add(file)
  for (const specifier of importsAtRuntime(readFileSync(file, 'utf8'))) {
    const ours = /^holdfast-client\/(.+)$/.exec(specifier)?.[1]
    if (ours !== undefined) modulesOf(join(client, `${ours}.ts`), found)
    else if (!specifier.startsWith('.')) found.add(specifier)
    else modulesOf(join(dirname(file), specifier), found)
  }
  return found
}

/** What is left of the imports when the types are gone. */
function importsAtRuntime(code: string): string[] {
  const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
  const { outputText } = ts.transpileModule(code, { compilerOptions: options })
  return [...outputText.matchAll(/(?:from|import) '([^']+)'/g)].map((match) => match[1] as string)
}

describe('src/verify runs in a browser', () => {
  const modules = [...modulesOf(join(source, 'verify/verify-receipt.ts'))]
  const files = modules.filter((module) => existsSync(module))

  it('and loads only core and the client beside itself, and packages that bundlers know', () => {
    const own = files.filter((file) => !file.startsWith(client))
    const rooms = new Set(own.map((file) => relative(source, file).split('/')[0]))
    expect([...rooms].sort()).toEqual(['core', 'verify'])
    const packages = modules.filter((module) => !existsSync(module)).sort()
    expect(packages).toEqual(['canonicalize', 'ethers', 'keccak256', 'merkletreejs', 'zod'])
  })

  it("and uses none of Node's globals", () => {
    for (const file of files) {
      const code = ts.transpileModule(readFileSync(file, 'utf8'), {
        compilerOptions: { removeComments: true },
      }).outputText
      expect(code, file).not.toMatch(/\b(Buffer|process|require|__dirname|setImmediate)\b/)
    }
  })
})
