// biome-ignore-all lint/correctness/noPrecisionLoss: AssemblyScript has 64-bit integers
/**
 * Keccak-256 over whole tree levels in linear memory. In: n record hashes, or 2n nodes. Out: n leaves, or n parents,
 * 32 bytes each. scripts/build-wasm.mjs compiles it twice: with SIMD, where T is v128 and the two 64-bit lanes of a
 * vector hash two inputs side by side, and without, where T is u64 and inputs are hashed one by one.
 *
 * Keccak-f[1600] as in FIPS 202, section 3, with Keccak's own padding 0x01 … 0x80. Every input here is 32 or 64
 * bytes, so one block of 136 bytes holds it: lanes from 9 on start as zero, except lane 16, which ends the padding.
 */

/** iota: one constant a round; rounds 0 and 23 carry theirs in the code. */
const CONSTANTS = memory.data<u64>([
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
  0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
  0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
  0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
  0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
])

/** 25 lanes of T: the state before even rounds, and before odd ones. */
const A = memory.data(400, 64)
const E = memory.data(400, 64)

/** Five lanes of T: the parity of the columns, as far as the rows 0 to 2 of a state. */
const C = memory.data(80, 64)

/** Four lanes of T: the last digest. */
const OUT = memory.data(64, 64)

/** Where the module's own memory ends and the caller's begins. */
export function heapBase(): usize {
  return __heap_base
}

/** leaf = keccak256(keccak256(hash)): reads n x 32 bytes at `src`, writes n x 32 at `dst`, which may be `src`. */
export function hashLeaves(src: usize, dst: usize, n: u32): void {
  if (ASC_FEATURE_SIMD) {
    for (let i: u32 = 0; i < n; i += 2) {
      const j = min(i + 1, n - 1)
      const a = src + ((<usize>i) << 5)
      const b = src + ((<usize>j) << 5)
      leaf<v128>(pair(a, b), pair(a + 8, b + 8), pair(a + 16, b + 16), pair(a + 24, b + 24))
      split(dst + ((<usize>i) << 5), dst + ((<usize>j) << 5))
    }
  } else {
    for (let i: u32 = 0; i < n; i++) {
      const a = src + ((<usize>i) << 5)
      leaf<u64>(load<u64>(a), load<u64>(a, 8), load<u64>(a, 16), load<u64>(a, 24))
      memory.copy(dst + ((<usize>i) << 5), OUT, 32)
    }
  }
}

/** node = keccak256(min ‖ max): reads n x 64 bytes at `src`, writes n x 32 at `dst`, which may be `src`. */
export function hashPairs(src: usize, dst: usize, n: u32): void {
  if (ASC_FEATURE_SIMD) {
    for (let i: u32 = 0; i < n; i += 2) {
      const j = min(i + 1, n - 1)
      const a = src + ((<usize>i) << 6)
      const b = src + ((<usize>j) << 6)
      // The smaller of two neighbours at x is at x + swap, the larger at x + (32 - swap).
      const aSwap = swapOf(a)
      const bSwap = swapOf(b)
      const aMin = a + aSwap
      const bMin = b + bSwap
      const aMax = a + 32 - aSwap
      const bMax = b + 32 - bSwap
      digest<v128>(
        pair(aMin, bMin),
        pair(aMin + 8, bMin + 8),
        pair(aMin + 16, bMin + 16),
        pair(aMin + 24, bMin + 24),
        pair(aMax, bMax),
        pair(aMax + 8, bMax + 8),
        pair(aMax + 16, bMax + 16),
        pair(aMax + 24, bMax + 24),
        splat<v128>(1),
      )
      split(dst + ((<usize>i) << 5), dst + ((<usize>j) << 5))
    }
  } else {
    for (let i: u32 = 0; i < n; i++) {
      const a = src + ((<usize>i) << 6)
      const swap = swapOf(a)
      const lo = a + swap
      const hi = a + 32 - swap
      digest<u64>(
        load<u64>(lo),
        load<u64>(lo, 8),
        load<u64>(lo, 16),
        load<u64>(lo, 24),
        load<u64>(hi),
        load<u64>(hi, 8),
        load<u64>(hi, 16),
        load<u64>(hi, 24),
        1,
      )
      memory.copy(dst + ((<usize>i) << 5), OUT, 32)
    }
  }
}

function leaf<T>(m0: T, m1: T, m2: T, m3: T): void {
  const zero = splat<T>(0)
  digest<T>(m0, m1, m2, m3, splat<T>(1), zero, zero, zero, zero)
  digest<T>(
    lane<T>(OUT, 0),
    lane<T>(OUT, 1),
    lane<T>(OUT, 2),
    lane<T>(OUT, 3),
    splat<T>(1),
    zero,
    zero,
    zero,
    zero,
  )
}

/** 32 when the 32 bytes at x + 32 come before those at x in bytewise order, else 0. */
function swapOf(x: usize): usize {
  for (let k: usize = 0; k < 32; k += 8) {
    const a = load<u64>(x + k)
    const b = load<u64>(x + k, 32)
    if (a !== b) {
      // Little-endian loads: the lowest differing byte decides.
      const shift = ctz(a ^ b) & ~7
      return (<usize>(((b >> shift) & 0xff) < ((a >> shift) & 0xff))) << 5
    }
  }
  return 0
}

/** The 8 bytes at `a` and at `b` as the two lanes of a vector. */
function pair(a: usize, b: usize): v128 {
  return v128.load_lane<u64>(b, v128.load64_zero(a), 1)
}

/** Stores the two digests that lie interleaved at OUT, one at `a` and one at `b`. */
function split(a: usize, b: usize): void {
  const d0 = v128.load(OUT)
  const d1 = v128.load(OUT, 16)
  const d2 = v128.load(OUT, 32)
  const d3 = v128.load(OUT, 48)
  v128.store(a, v128.shuffle<u64>(d0, d1, 0, 2))
  v128.store(a, v128.shuffle<u64>(d2, d3, 0, 2), 16)
  v128.store(b, v128.shuffle<u64>(d0, d1, 1, 3))
  v128.store(b, v128.shuffle<u64>(d2, d3, 1, 3), 16)
}

function splat<T>(value: u64): T {
  if (isVector<T>()) return v128.splat<u64>(value)
  return <T>value
}

function constant<T>(at: usize): T {
  if (isVector<T>()) return v128.load64_splat(at)
  return load<T>(at)
}

function xor<T>(a: T, b: T): T {
  if (isVector<T>()) return v128.xor(a, b)
  return a ^ b
}

/** chi: a ^ (~b & c). */
function chi<T>(a: T, b: T, c: T): T {
  if (isVector<T>()) return v128.xor(a, v128.andnot(c, b))
  return a ^ (~b & c)
}

function rot<T>(a: T, by: i32): T {
  if (isVector<T>()) return v128.or(v128.shl<u64>(a, by), v128.shr<u64>(a, 64 - by))
  return rotl<T>(a, by)
}

/** Lane `i` of the state at `state`. */
function lane<T>(state: usize, i: usize): T {
  return load<T>(state + i * sizeof<T>())
}

/** Stores lane `i` of the state at `state` and returns it. */
function put<T>(state: usize, i: usize, value: T): T {
  store<T>(state + i * sizeof<T>(), value)
  return value
}

/**
 * Absorbs one block, lanes 0 to 8, and writes the four lanes of the digest at OUT.
 *
 * The state lies in memory, lane x + 5y: at A before an even round, at E before an odd one. That is 1.2 times as fast
 * as 25 locals, which engines spill to a stack that they do not align for vectors. A round keeps in locals only d
 * (theta), b (a row after rho and pi) and c, the parity of the columns for the next round. Storing the first half of
 * the parity at C makes engines sum it early, instead of keeping all rows in registers.
 *
 * In rounds 1 to 22 a lane is loaded just before its first use, and a row is written in the order that lets V8 free
 * registers at their last use instead of copying them.
 */
function digest<T>(m0: T, m1: T, m2: T, m3: T, m4: T, m5: T, m6: T, m7: T, m8: T): void {
  let b0: T, b1: T, b2: T, b3: T, b4: T
  let c0: T, c1: T, c2: T, c3: T, c4: T
  let d0: T, d1: T, d2: T, d3: T, d4: T
  const end = splat<T>(0x8000000000000000)

  // Round 0: every lane from 9 on but the end of the padding is still zero.
  c0 = xor<T>(m0, m5)
  c1 = xor<T>(xor<T>(m1, m6), end)
  c2 = xor<T>(m2, m7)
  c3 = xor<T>(m3, m8)
  c4 = m4
  d0 = xor<T>(c4, rot<T>(c1, 1))
  d1 = xor<T>(c0, rot<T>(c2, 1))
  d2 = xor<T>(c1, rot<T>(c3, 1))
  d3 = xor<T>(c2, rot<T>(c4, 1))
  d4 = xor<T>(c3, rot<T>(c0, 1))
  b0 = xor<T>(m0, d0)
  b1 = rot<T>(xor<T>(m6, d1), 44)
  b2 = rot<T>(d2, 43)
  b3 = rot<T>(d3, 21)
  b4 = rot<T>(d4, 14)
  put<T>(A, 0, xor<T>(chi<T>(b0, b1, b2), splat<T>(1)))
  put<T>(A, 1, chi<T>(b1, b2, b3))
  put<T>(A, 2, chi<T>(b2, b3, b4))
  put<T>(A, 3, chi<T>(b3, b4, b0))
  put<T>(A, 4, chi<T>(b4, b0, b1))
  b0 = rot<T>(xor<T>(m3, d3), 28)
  b1 = rot<T>(d4, 20)
  b2 = rot<T>(d0, 3)
  b3 = rot<T>(xor<T>(end, d1), 45)
  b4 = rot<T>(d2, 61)
  put<T>(A, 5, chi<T>(b0, b1, b2))
  put<T>(A, 6, chi<T>(b1, b2, b3))
  put<T>(A, 7, chi<T>(b2, b3, b4))
  put<T>(A, 8, chi<T>(b3, b4, b0))
  put<T>(A, 9, chi<T>(b4, b0, b1))
  b0 = rot<T>(xor<T>(m1, d1), 1)
  b1 = rot<T>(xor<T>(m7, d2), 6)
  b2 = rot<T>(d3, 25)
  b3 = rot<T>(d4, 8)
  b4 = rot<T>(d0, 18)
  put<T>(C, 0, xor<T>(xor<T>(put<T>(A, 10, chi<T>(b0, b1, b2)), lane<T>(A, 0)), lane<T>(A, 5)))
  put<T>(C, 1, xor<T>(xor<T>(put<T>(A, 11, chi<T>(b1, b2, b3)), lane<T>(A, 1)), lane<T>(A, 6)))
  put<T>(C, 2, xor<T>(xor<T>(put<T>(A, 12, chi<T>(b2, b3, b4)), lane<T>(A, 2)), lane<T>(A, 7)))
  put<T>(C, 3, xor<T>(xor<T>(put<T>(A, 13, chi<T>(b3, b4, b0)), lane<T>(A, 3)), lane<T>(A, 8)))
  put<T>(C, 4, xor<T>(xor<T>(put<T>(A, 14, chi<T>(b4, b0, b1)), lane<T>(A, 4)), lane<T>(A, 9)))
  b0 = rot<T>(xor<T>(m4, d4), 27)
  b1 = rot<T>(xor<T>(m5, d0), 36)
  b2 = rot<T>(d1, 10)
  b3 = rot<T>(d2, 15)
  b4 = rot<T>(d3, 56)
  put<T>(A, 15, chi<T>(b0, b1, b2))
  put<T>(A, 16, chi<T>(b1, b2, b3))
  put<T>(A, 17, chi<T>(b2, b3, b4))
  put<T>(A, 18, chi<T>(b3, b4, b0))
  put<T>(A, 19, chi<T>(b4, b0, b1))
  b0 = rot<T>(xor<T>(m2, d2), 62)
  b1 = rot<T>(xor<T>(m8, d3), 55)
  b2 = rot<T>(d4, 39)
  b3 = rot<T>(d0, 41)
  b4 = rot<T>(d1, 2)
  c0 = xor<T>(xor<T>(put<T>(A, 20, chi<T>(b0, b1, b2)), lane<T>(C, 0)), lane<T>(A, 15))
  c1 = xor<T>(xor<T>(put<T>(A, 21, chi<T>(b1, b2, b3)), lane<T>(C, 1)), lane<T>(A, 16))
  c2 = xor<T>(xor<T>(put<T>(A, 22, chi<T>(b2, b3, b4)), lane<T>(C, 2)), lane<T>(A, 17))
  c3 = xor<T>(xor<T>(put<T>(A, 23, chi<T>(b3, b4, b0)), lane<T>(C, 3)), lane<T>(A, 18))
  c4 = xor<T>(xor<T>(put<T>(A, 24, chi<T>(b4, b0, b1)), lane<T>(C, 4)), lane<T>(A, 19))

  for (let round = CONSTANTS + 8; round < CONSTANTS + 23 * 8; round += 16) {
    d0 = xor<T>(c4, rot<T>(c1, 1))
    d1 = xor<T>(c0, rot<T>(c2, 1))
    d2 = xor<T>(c1, rot<T>(c3, 1))
    d3 = xor<T>(c2, rot<T>(c4, 1))
    d4 = xor<T>(c3, rot<T>(c0, 1))
    b1 = rot<T>(xor<T>(lane<T>(A, 6), d1), 44)
    b2 = rot<T>(xor<T>(lane<T>(A, 12), d2), 43)
    b3 = rot<T>(xor<T>(lane<T>(A, 18), d3), 21)
    put<T>(E, 1, chi<T>(b1, b2, b3))
    b4 = rot<T>(xor<T>(lane<T>(A, 24), d4), 14)
    b0 = xor<T>(lane<T>(A, 0), d0)
    put<T>(E, 4, chi<T>(b4, b0, b1))
    put<T>(E, 0, xor<T>(chi<T>(b0, b1, b2), constant<T>(round)))
    put<T>(E, 3, chi<T>(b3, b4, b0))
    put<T>(E, 2, chi<T>(b2, b3, b4))
    b1 = rot<T>(xor<T>(lane<T>(A, 9), d4), 20)
    b2 = rot<T>(xor<T>(lane<T>(A, 10), d0), 3)
    b3 = rot<T>(xor<T>(lane<T>(A, 16), d1), 45)
    put<T>(E, 6, chi<T>(b1, b2, b3))
    b4 = rot<T>(xor<T>(lane<T>(A, 22), d2), 61)
    b0 = rot<T>(xor<T>(lane<T>(A, 3), d3), 28)
    put<T>(E, 9, chi<T>(b4, b0, b1))
    put<T>(E, 5, chi<T>(b0, b1, b2))
    put<T>(E, 8, chi<T>(b3, b4, b0))
    put<T>(E, 7, chi<T>(b2, b3, b4))
    b1 = rot<T>(xor<T>(lane<T>(A, 7), d2), 6)
    b2 = rot<T>(xor<T>(lane<T>(A, 13), d3), 25)
    b3 = rot<T>(xor<T>(lane<T>(A, 19), d4), 8)
    put<T>(C, 1, xor<T>(xor<T>(put<T>(E, 11, chi<T>(b1, b2, b3)), lane<T>(E, 1)), lane<T>(E, 6)))
    b4 = rot<T>(xor<T>(lane<T>(A, 20), d0), 18)
    b0 = rot<T>(xor<T>(lane<T>(A, 1), d1), 1)
    put<T>(C, 4, xor<T>(xor<T>(put<T>(E, 14, chi<T>(b4, b0, b1)), lane<T>(E, 4)), lane<T>(E, 9)))
    put<T>(C, 0, xor<T>(xor<T>(put<T>(E, 10, chi<T>(b0, b1, b2)), lane<T>(E, 0)), lane<T>(E, 5)))
    put<T>(C, 3, xor<T>(xor<T>(put<T>(E, 13, chi<T>(b3, b4, b0)), lane<T>(E, 3)), lane<T>(E, 8)))
    put<T>(C, 2, xor<T>(xor<T>(put<T>(E, 12, chi<T>(b2, b3, b4)), lane<T>(E, 2)), lane<T>(E, 7)))
    b1 = rot<T>(xor<T>(lane<T>(A, 5), d0), 36)
    b2 = rot<T>(xor<T>(lane<T>(A, 11), d1), 10)
    b3 = rot<T>(xor<T>(lane<T>(A, 17), d2), 15)
    put<T>(E, 16, chi<T>(b1, b2, b3))
    b4 = rot<T>(xor<T>(lane<T>(A, 23), d3), 56)
    b0 = rot<T>(xor<T>(lane<T>(A, 4), d4), 27)
    put<T>(E, 19, chi<T>(b4, b0, b1))
    put<T>(E, 15, chi<T>(b0, b1, b2))
    put<T>(E, 18, chi<T>(b3, b4, b0))
    put<T>(E, 17, chi<T>(b2, b3, b4))
    b1 = rot<T>(xor<T>(lane<T>(A, 8), d3), 55)
    b2 = rot<T>(xor<T>(lane<T>(A, 14), d4), 39)
    b3 = rot<T>(xor<T>(lane<T>(A, 15), d0), 41)
    c1 = xor<T>(xor<T>(put<T>(E, 21, chi<T>(b1, b2, b3)), lane<T>(C, 1)), lane<T>(E, 16))
    b4 = rot<T>(xor<T>(lane<T>(A, 21), d1), 2)
    b0 = rot<T>(xor<T>(lane<T>(A, 2), d2), 62)
    c4 = xor<T>(xor<T>(put<T>(E, 24, chi<T>(b4, b0, b1)), lane<T>(C, 4)), lane<T>(E, 19))
    c0 = xor<T>(xor<T>(put<T>(E, 20, chi<T>(b0, b1, b2)), lane<T>(C, 0)), lane<T>(E, 15))
    c3 = xor<T>(xor<T>(put<T>(E, 23, chi<T>(b3, b4, b0)), lane<T>(C, 3)), lane<T>(E, 18))
    c2 = xor<T>(xor<T>(put<T>(E, 22, chi<T>(b2, b3, b4)), lane<T>(C, 2)), lane<T>(E, 17))

    d0 = xor<T>(c4, rot<T>(c1, 1))
    d1 = xor<T>(c0, rot<T>(c2, 1))
    d2 = xor<T>(c1, rot<T>(c3, 1))
    d3 = xor<T>(c2, rot<T>(c4, 1))
    d4 = xor<T>(c3, rot<T>(c0, 1))
    b1 = rot<T>(xor<T>(lane<T>(E, 6), d1), 44)
    b2 = rot<T>(xor<T>(lane<T>(E, 12), d2), 43)
    b3 = rot<T>(xor<T>(lane<T>(E, 18), d3), 21)
    put<T>(A, 1, chi<T>(b1, b2, b3))
    b4 = rot<T>(xor<T>(lane<T>(E, 24), d4), 14)
    b0 = xor<T>(lane<T>(E, 0), d0)
    put<T>(A, 4, chi<T>(b4, b0, b1))
    put<T>(A, 0, xor<T>(chi<T>(b0, b1, b2), constant<T>(round + 8)))
    put<T>(A, 3, chi<T>(b3, b4, b0))
    put<T>(A, 2, chi<T>(b2, b3, b4))
    b1 = rot<T>(xor<T>(lane<T>(E, 9), d4), 20)
    b2 = rot<T>(xor<T>(lane<T>(E, 10), d0), 3)
    b3 = rot<T>(xor<T>(lane<T>(E, 16), d1), 45)
    put<T>(A, 6, chi<T>(b1, b2, b3))
    b4 = rot<T>(xor<T>(lane<T>(E, 22), d2), 61)
    b0 = rot<T>(xor<T>(lane<T>(E, 3), d3), 28)
    put<T>(A, 9, chi<T>(b4, b0, b1))
    put<T>(A, 5, chi<T>(b0, b1, b2))
    put<T>(A, 8, chi<T>(b3, b4, b0))
    put<T>(A, 7, chi<T>(b2, b3, b4))
    b1 = rot<T>(xor<T>(lane<T>(E, 7), d2), 6)
    b2 = rot<T>(xor<T>(lane<T>(E, 13), d3), 25)
    b3 = rot<T>(xor<T>(lane<T>(E, 19), d4), 8)
    put<T>(C, 1, xor<T>(xor<T>(put<T>(A, 11, chi<T>(b1, b2, b3)), lane<T>(A, 1)), lane<T>(A, 6)))
    b4 = rot<T>(xor<T>(lane<T>(E, 20), d0), 18)
    b0 = rot<T>(xor<T>(lane<T>(E, 1), d1), 1)
    put<T>(C, 4, xor<T>(xor<T>(put<T>(A, 14, chi<T>(b4, b0, b1)), lane<T>(A, 4)), lane<T>(A, 9)))
    put<T>(C, 0, xor<T>(xor<T>(put<T>(A, 10, chi<T>(b0, b1, b2)), lane<T>(A, 0)), lane<T>(A, 5)))
    put<T>(C, 3, xor<T>(xor<T>(put<T>(A, 13, chi<T>(b3, b4, b0)), lane<T>(A, 3)), lane<T>(A, 8)))
    put<T>(C, 2, xor<T>(xor<T>(put<T>(A, 12, chi<T>(b2, b3, b4)), lane<T>(A, 2)), lane<T>(A, 7)))
    b1 = rot<T>(xor<T>(lane<T>(E, 5), d0), 36)
    b2 = rot<T>(xor<T>(lane<T>(E, 11), d1), 10)
    b3 = rot<T>(xor<T>(lane<T>(E, 17), d2), 15)
    put<T>(A, 16, chi<T>(b1, b2, b3))
    b4 = rot<T>(xor<T>(lane<T>(E, 23), d3), 56)
    b0 = rot<T>(xor<T>(lane<T>(E, 4), d4), 27)
    put<T>(A, 19, chi<T>(b4, b0, b1))
    put<T>(A, 15, chi<T>(b0, b1, b2))
    put<T>(A, 18, chi<T>(b3, b4, b0))
    put<T>(A, 17, chi<T>(b2, b3, b4))
    b1 = rot<T>(xor<T>(lane<T>(E, 8), d3), 55)
    b2 = rot<T>(xor<T>(lane<T>(E, 14), d4), 39)
    b3 = rot<T>(xor<T>(lane<T>(E, 15), d0), 41)
    c1 = xor<T>(xor<T>(put<T>(A, 21, chi<T>(b1, b2, b3)), lane<T>(C, 1)), lane<T>(A, 16))
    b4 = rot<T>(xor<T>(lane<T>(E, 21), d1), 2)
    b0 = rot<T>(xor<T>(lane<T>(E, 2), d2), 62)
    c4 = xor<T>(xor<T>(put<T>(A, 24, chi<T>(b4, b0, b1)), lane<T>(C, 4)), lane<T>(A, 19))
    c0 = xor<T>(xor<T>(put<T>(A, 20, chi<T>(b0, b1, b2)), lane<T>(C, 0)), lane<T>(A, 15))
    c3 = xor<T>(xor<T>(put<T>(A, 23, chi<T>(b3, b4, b0)), lane<T>(C, 3)), lane<T>(A, 18))
    c2 = xor<T>(xor<T>(put<T>(A, 22, chi<T>(b2, b3, b4)), lane<T>(C, 2)), lane<T>(A, 17))
  }

  // Round 23: only the four lanes of the digest are needed.
  d0 = xor<T>(c4, rot<T>(c1, 1))
  d1 = xor<T>(c0, rot<T>(c2, 1))
  d2 = xor<T>(c1, rot<T>(c3, 1))
  d3 = xor<T>(c2, rot<T>(c4, 1))
  d4 = xor<T>(c3, rot<T>(c0, 1))
  b0 = xor<T>(lane<T>(A, 0), d0)
  b1 = rot<T>(xor<T>(lane<T>(A, 6), d1), 44)
  b2 = rot<T>(xor<T>(lane<T>(A, 12), d2), 43)
  b3 = rot<T>(xor<T>(lane<T>(A, 18), d3), 21)
  b4 = rot<T>(xor<T>(lane<T>(A, 24), d4), 14)
  put<T>(OUT, 0, xor<T>(chi<T>(b0, b1, b2), splat<T>(0x8000000080008008)))
  put<T>(OUT, 1, chi<T>(b1, b2, b3))
  put<T>(OUT, 2, chi<T>(b2, b3, b4))
  put<T>(OUT, 3, chi<T>(b3, b4, b0))
}
