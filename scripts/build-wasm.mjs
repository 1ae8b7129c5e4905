/**
 * Compiles src/merkle/kernel/assembly/keccak.ts with and without SIMD and writes both artifacts, as base64, to
 * src/merkle/kernel/wasm.generated.ts, so that Node, vitest and a browser load them alike.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'
import { weave } from './weave-kernel.mjs'

const room = new URL('../src/merkle/kernel/', import.meta.url)
const ENTRY = 'assembly/keccak.ts'
const woven = weave(await readFile(new URL(ENTRY, room), 'utf8'))

async function compile(name, features) {
  let artifact
  const { error, stderr } = await asc.main(
    [
      ENTRY,
      '--baseDir',
      fileURLToPath(room),
      '--outFile',
      `${name}.wasm`,
      '-O3',
      '--converge',
      '--noAssert',
      '--runtime',
      'stub',
      ...features,
    ],
    {
      readFile: async (name, base) =>
        name === ENTRY ? woven : readFile(join(base, name), 'utf8').catch(() => null),
      writeFile: (_name, contents) => {
        artifact = contents
      },
    },
  )
  if (error) throw new Error(`asc: ${stderr.toString()}`, { cause: error })
  return Buffer.from(artifact).toString('base64')
}

const simd = await compile('simd', ['--enable', 'simd'])
const scalar = await compile('scalar', ['--disable', 'simd'])

await writeFile(
  new URL('wasm.generated.ts', room),
  `/** Written by scripts/build-wasm.mjs from assembly/keccak.ts. */
export const SIMD_WASM = '${simd}'
export const SCALAR_WASM = '${scalar}'
`,
)
