import { HASH_BYTES } from '../../core/hash.ts'
import { SCALAR_WASM, SIMD_WASM } from './wasm.generated.ts'

/** How many nodes of 32 bytes lie in a kernel's memory. */
export const KERNEL_CAPACITY = 8192

/**
 * Keccak-256 over runs of nodes in WASM memory. Positions and counts are in nodes of 32 bytes; a run must lie within
 * {@link KERNEL_CAPACITY}.
 *
 * A thread's code may share one kernel. The bytes in `nodes` belong to the running caller until it returns or awaits.
 * Copy in, hash, copy out.
 */
export type Kernel = {
  /** Whether vectors hash two inputs side by side. */
  readonly simd: boolean
  /** KERNEL_CAPACITY x 32 bytes of WASM memory; never moves. */
  readonly nodes: Uint8Array
  /** leaf = keccak256(keccak256(hash)) for `count` hashes at `from`, to `to`, which may be `from`. */
  hashLeaves(from: number, to: number, count: number): void
  /** node = keccak256(min ‖ max) for `count` pairs of neighbours at `from`, to `to`, which may be `from`. */
  hashPairs(from: number, to: number, count: number): void
}

type Exports = {
  memory: { buffer: ArrayBuffer; grow(pages: number): number }
  heapBase(): number
  hashLeaves(src: number, dst: number, count: number): void
  hashPairs(src: number, dst: number, count: number): void
}

/** The part of WebAssembly used here. TypeScript declares it in its DOM library only. */
type Wasm = {
  validate(bytes: Uint8Array): boolean
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { exports: unknown }
}

const wasm = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly
const PAGE_BYTES = 65_536
let shared: Kernel | undefined

/** This thread's kernel, made on first use. */
export function sharedKernel(): Kernel {
  shared ??= createKernel()
  return shared
}

/**
 * A kernel with its own memory, about 350 KB.
 * @param simd by default, whether the engine has SIMD
 */
export function createKernel(simd?: boolean): Kernel {
  const vector = decode(SIMD_WASM)
  const useSimd = simd ?? wasm.validate(vector)
  const { exports } = new wasm.Instance(new wasm.Module(useSimd ? vector : decode(SCALAR_WASM)))
  const { memory, heapBase, hashLeaves, hashPairs } = exports as Exports
  // Page-aligned, so that no vector load crosses a page.
  const base = Math.ceil(heapBase() / 4096) * 4096
  memory.grow(Math.ceil((base + KERNEL_CAPACITY * HASH_BYTES - memory.buffer.byteLength) / PAGE_BYTES))
  const at = (position: number) => base + position * HASH_BYTES
  return {
    simd: useSimd,
    nodes: new Uint8Array(memory.buffer, base, KERNEL_CAPACITY * HASH_BYTES),
    hashLeaves: (from, to, count) => hashLeaves(at(from), at(to), count),
    hashPairs: (from, to, count) => hashPairs(at(from), at(to), count),
  }
}

/**
 * One level up: the parents of `count` nodes at `from` go to `to`, which may be `from`; a lone last node is promoted
 * unchanged.
 * @returns how many nodes the level above has
 */
export function hashLevel(kernel: Kernel, from: number, to: number, count: number): number {
  const pairs = count >>> 1
  kernel.hashPairs(from, to, pairs)
  if (count % 2 === 1) {
    const last = (from + count - 1) * HASH_BYTES
    kernel.nodes.copyWithin((to + pairs) * HASH_BYTES, last, last + HASH_BYTES)
  }
  return pairs + (count % 2)
}

function decode(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}
