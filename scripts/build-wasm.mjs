/**
 * Compiles src/merkle/kernel/assembly/keccak.ts with and without SIMD. Writes both modules, as base64, to
 * src/merkle/kernel/wasm.generated.ts, which Node and vitest import alike.
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const room = new URL('../src/merkle/kernel/', import.meta.url)
const ENTRY = 'assembly/keccak.ts'

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
