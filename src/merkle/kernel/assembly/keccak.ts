/**
 * Keccak-256 over whole tree levels that lie in linear memory. In: n record hashes, or 2n nodes; out: n leaves, or
 * n parents, 32 bytes each. Compiled twice by scripts/build-wasm.mjs: with SIMD, where the two 64-bit lanes of a
 * vector hash two inputs side by side, and without, where T is u64 and inputs are hashed one by one.
 *
 * Keccak-f[1600] as in FIPS 202, section 3, with Keccak's own padding 0x01 … 0x80. Every input here is 32 or 64
 * bytes, so one block of 136 bytes holds it: lanes from 9 on start as zero, but for lane 16, which ends the padding.
 */

/** iota: one constant a round; rounds 0 and 23 carry theirs in the code. */
const CONSTANTS = memory.data<u64>([
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
  0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
  0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
  0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
  0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
])

/** Four lanes of T between the two hashes of a leaf and on the way out. */
const DIGEST = memory.data(64, 16)

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
      memory.copy(dst + ((<usize>i) << 5), DIGEST, 32)
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
        DIGEST,
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
        DIGEST,
      )
      memory.copy(dst + ((<usize>i) << 5), DIGEST, 32)
    }
  }
}

function leaf<T>(m0: T, m1: T, m2: T, m3: T): void {
  const zero = splat<T>(0)
  digest<T>(m0, m1, m2, m3, splat<T>(1), zero, zero, zero, zero, DIGEST)
  digest<T>(
    load<T>(DIGEST),
    load<T>(DIGEST + sizeof<T>()),
    load<T>(DIGEST + 2 * sizeof<T>()),
    load<T>(DIGEST + 3 * sizeof<T>()),
    splat<T>(1),
    zero,
    zero,
    zero,
    zero,
    DIGEST,
  )
}

/** 32 when the 32 bytes at x + 32 come before those at x in bytewise order, else 0. */
function swapOf(x: usize): usize {
  for (let k: usize = 0; k < 32; k += 8) {
    const a = load<u64>(x + k)
    const b = load<u64>(x + k, 32)
    if (a != b) {
      // Little-endian loads: the lowest differing byte decides.
      const shift = ctz(a ^ b) & ~7
      return <usize>(((b >> shift) & 0xff) < ((a >> shift) & 0xff)) << 5
    }
  }
  return 0
}

/** The 8 bytes at `a` and at `b` as the two lanes of a vector. */
function pair(a: usize, b: usize): v128 {
  return v128.load_lane<u64>(b, v128.load64_zero(a), 1)
}

/** Takes the two digests that lie interleaved at DIGEST apart. */
function split(a: usize, b: usize): void {
  const d0 = v128.load(DIGEST)
  const d1 = v128.load(DIGEST, 16)
  const d2 = v128.load(DIGEST, 32)
  const d3 = v128.load(DIGEST, 48)
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

/**
 * One block: absorbs lanes 0 to 8, writes the four lanes of the digest at `out`. The state stays in locals; a holds
 * it before an even round, e before an odd one, at index x + 5y. theta's columns are c and d; b is a row after rho
 * and pi.
 */
function digest<T>(m0: T, m1: T, m2: T, m3: T, m4: T, m5: T, m6: T, m7: T, m8: T, out: usize): void {
  let a0: T, a1: T, a2: T, a3: T, a4: T, a5: T, a6: T, a7: T, a8: T
  let a9: T, a10: T, a11: T, a12: T, a13: T, a14: T, a15: T, a16: T, a17: T
  let a18: T, a19: T, a20: T, a21: T, a22: T, a23: T, a24: T
  let e0: T, e1: T, e2: T, e3: T, e4: T, e5: T, e6: T, e7: T, e8: T
  let e9: T, e10: T, e11: T, e12: T, e13: T, e14: T, e15: T, e16: T, e17: T
  let e18: T, e19: T, e20: T, e21: T, e22: T, e23: T, e24: T
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
  a0 = xor<T>(chi<T>(b0, b1, b2), splat<T>(1))
  a1 = chi<T>(b1, b2, b3)
  a2 = chi<T>(b2, b3, b4)
  a3 = chi<T>(b3, b4, b0)
  a4 = chi<T>(b4, b0, b1)
  b0 = rot<T>(xor<T>(m3, d3), 28)
  b1 = rot<T>(d4, 20)
  b2 = rot<T>(d0, 3)
  b3 = rot<T>(xor<T>(end, d1), 45)
  b4 = rot<T>(d2, 61)
  a5 = chi<T>(b0, b1, b2)
  a6 = chi<T>(b1, b2, b3)
  a7 = chi<T>(b2, b3, b4)
  a8 = chi<T>(b3, b4, b0)
  a9 = chi<T>(b4, b0, b1)
  b0 = rot<T>(xor<T>(m1, d1), 1)
  b1 = rot<T>(xor<T>(m7, d2), 6)
  b2 = rot<T>(d3, 25)
  b3 = rot<T>(d4, 8)
  b4 = rot<T>(d0, 18)
  a10 = chi<T>(b0, b1, b2)
  a11 = chi<T>(b1, b2, b3)
  a12 = chi<T>(b2, b3, b4)
  a13 = chi<T>(b3, b4, b0)
  a14 = chi<T>(b4, b0, b1)
  b0 = rot<T>(xor<T>(m4, d4), 27)
  b1 = rot<T>(xor<T>(m5, d0), 36)
  b2 = rot<T>(d1, 10)
  b3 = rot<T>(d2, 15)
  b4 = rot<T>(d3, 56)
  a15 = chi<T>(b0, b1, b2)
  a16 = chi<T>(b1, b2, b3)
  a17 = chi<T>(b2, b3, b4)
  a18 = chi<T>(b3, b4, b0)
  a19 = chi<T>(b4, b0, b1)
  b0 = rot<T>(xor<T>(m2, d2), 62)
  b1 = rot<T>(xor<T>(m8, d3), 55)
  b2 = rot<T>(d4, 39)
  b3 = rot<T>(d0, 41)
  b4 = rot<T>(d1, 2)
  a20 = chi<T>(b0, b1, b2)
  a21 = chi<T>(b1, b2, b3)
  a22 = chi<T>(b2, b3, b4)
  a23 = chi<T>(b3, b4, b0)
  a24 = chi<T>(b4, b0, b1)

  for (let round = CONSTANTS + 8; round < CONSTANTS + 23 * 8; round += 16) {
    c0 = xor<T>(xor<T>(xor<T>(a0, a5), xor<T>(a10, a15)), a20)
    c1 = xor<T>(xor<T>(xor<T>(a1, a6), xor<T>(a11, a16)), a21)
    c2 = xor<T>(xor<T>(xor<T>(a2, a7), xor<T>(a12, a17)), a22)
    c3 = xor<T>(xor<T>(xor<T>(a3, a8), xor<T>(a13, a18)), a23)
    c4 = xor<T>(xor<T>(xor<T>(a4, a9), xor<T>(a14, a19)), a24)
    d0 = xor<T>(c4, rot<T>(c1, 1))
    d1 = xor<T>(c0, rot<T>(c2, 1))
    d2 = xor<T>(c1, rot<T>(c3, 1))
    d3 = xor<T>(c2, rot<T>(c4, 1))
    d4 = xor<T>(c3, rot<T>(c0, 1))
    b0 = xor<T>(a0, d0)
    b1 = rot<T>(xor<T>(a6, d1), 44)
    b2 = rot<T>(xor<T>(a12, d2), 43)
    b3 = rot<T>(xor<T>(a18, d3), 21)
    b4 = rot<T>(xor<T>(a24, d4), 14)
    e0 = xor<T>(chi<T>(b0, b1, b2), constant<T>(round))
    e1 = chi<T>(b1, b2, b3)
    e2 = chi<T>(b2, b3, b4)
    e3 = chi<T>(b3, b4, b0)
    e4 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(a3, d3), 28)
    b1 = rot<T>(xor<T>(a9, d4), 20)
    b2 = rot<T>(xor<T>(a10, d0), 3)
    b3 = rot<T>(xor<T>(a16, d1), 45)
    b4 = rot<T>(xor<T>(a22, d2), 61)
    e5 = chi<T>(b0, b1, b2)
    e6 = chi<T>(b1, b2, b3)
    e7 = chi<T>(b2, b3, b4)
    e8 = chi<T>(b3, b4, b0)
    e9 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(a1, d1), 1)
    b1 = rot<T>(xor<T>(a7, d2), 6)
    b2 = rot<T>(xor<T>(a13, d3), 25)
    b3 = rot<T>(xor<T>(a19, d4), 8)
    b4 = rot<T>(xor<T>(a20, d0), 18)
    e10 = chi<T>(b0, b1, b2)
    e11 = chi<T>(b1, b2, b3)
    e12 = chi<T>(b2, b3, b4)
    e13 = chi<T>(b3, b4, b0)
    e14 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(a4, d4), 27)
    b1 = rot<T>(xor<T>(a5, d0), 36)
    b2 = rot<T>(xor<T>(a11, d1), 10)
    b3 = rot<T>(xor<T>(a17, d2), 15)
    b4 = rot<T>(xor<T>(a23, d3), 56)
    e15 = chi<T>(b0, b1, b2)
    e16 = chi<T>(b1, b2, b3)
    e17 = chi<T>(b2, b3, b4)
    e18 = chi<T>(b3, b4, b0)
    e19 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(a2, d2), 62)
    b1 = rot<T>(xor<T>(a8, d3), 55)
    b2 = rot<T>(xor<T>(a14, d4), 39)
    b3 = rot<T>(xor<T>(a15, d0), 41)
    b4 = rot<T>(xor<T>(a21, d1), 2)
    e20 = chi<T>(b0, b1, b2)
    e21 = chi<T>(b1, b2, b3)
    e22 = chi<T>(b2, b3, b4)
    e23 = chi<T>(b3, b4, b0)
    e24 = chi<T>(b4, b0, b1)

    c0 = xor<T>(xor<T>(xor<T>(e0, e5), xor<T>(e10, e15)), e20)
    c1 = xor<T>(xor<T>(xor<T>(e1, e6), xor<T>(e11, e16)), e21)
    c2 = xor<T>(xor<T>(xor<T>(e2, e7), xor<T>(e12, e17)), e22)
    c3 = xor<T>(xor<T>(xor<T>(e3, e8), xor<T>(e13, e18)), e23)
    c4 = xor<T>(xor<T>(xor<T>(e4, e9), xor<T>(e14, e19)), e24)
    d0 = xor<T>(c4, rot<T>(c1, 1))
    d1 = xor<T>(c0, rot<T>(c2, 1))
    d2 = xor<T>(c1, rot<T>(c3, 1))
    d3 = xor<T>(c2, rot<T>(c4, 1))
    d4 = xor<T>(c3, rot<T>(c0, 1))
    b0 = xor<T>(e0, d0)
    b1 = rot<T>(xor<T>(e6, d1), 44)
    b2 = rot<T>(xor<T>(e12, d2), 43)
    b3 = rot<T>(xor<T>(e18, d3), 21)
    b4 = rot<T>(xor<T>(e24, d4), 14)
    a0 = xor<T>(chi<T>(b0, b1, b2), constant<T>(round + 8))
    a1 = chi<T>(b1, b2, b3)
    a2 = chi<T>(b2, b3, b4)
    a3 = chi<T>(b3, b4, b0)
    a4 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(e3, d3), 28)
    b1 = rot<T>(xor<T>(e9, d4), 20)
    b2 = rot<T>(xor<T>(e10, d0), 3)
    b3 = rot<T>(xor<T>(e16, d1), 45)
    b4 = rot<T>(xor<T>(e22, d2), 61)
    a5 = chi<T>(b0, b1, b2)
    a6 = chi<T>(b1, b2, b3)
    a7 = chi<T>(b2, b3, b4)
    a8 = chi<T>(b3, b4, b0)
    a9 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(e1, d1), 1)
    b1 = rot<T>(xor<T>(e7, d2), 6)
    b2 = rot<T>(xor<T>(e13, d3), 25)
    b3 = rot<T>(xor<T>(e19, d4), 8)
    b4 = rot<T>(xor<T>(e20, d0), 18)
    a10 = chi<T>(b0, b1, b2)
    a11 = chi<T>(b1, b2, b3)
    a12 = chi<T>(b2, b3, b4)
    a13 = chi<T>(b3, b4, b0)
    a14 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(e4, d4), 27)
    b1 = rot<T>(xor<T>(e5, d0), 36)
    b2 = rot<T>(xor<T>(e11, d1), 10)
    b3 = rot<T>(xor<T>(e17, d2), 15)
    b4 = rot<T>(xor<T>(e23, d3), 56)
    a15 = chi<T>(b0, b1, b2)
    a16 = chi<T>(b1, b2, b3)
    a17 = chi<T>(b2, b3, b4)
    a18 = chi<T>(b3, b4, b0)
    a19 = chi<T>(b4, b0, b1)
    b0 = rot<T>(xor<T>(e2, d2), 62)
    b1 = rot<T>(xor<T>(e8, d3), 55)
    b2 = rot<T>(xor<T>(e14, d4), 39)
    b3 = rot<T>(xor<T>(e15, d0), 41)
    b4 = rot<T>(xor<T>(e21, d1), 2)
    a20 = chi<T>(b0, b1, b2)
    a21 = chi<T>(b1, b2, b3)
    a22 = chi<T>(b2, b3, b4)
    a23 = chi<T>(b3, b4, b0)
    a24 = chi<T>(b4, b0, b1)
  }

  // Round 23: only the first four lanes are the digest.
  c0 = xor<T>(xor<T>(xor<T>(a0, a5), xor<T>(a10, a15)), a20)
  c1 = xor<T>(xor<T>(xor<T>(a1, a6), xor<T>(a11, a16)), a21)
  c2 = xor<T>(xor<T>(xor<T>(a2, a7), xor<T>(a12, a17)), a22)
  c3 = xor<T>(xor<T>(xor<T>(a3, a8), xor<T>(a13, a18)), a23)
  c4 = xor<T>(xor<T>(xor<T>(a4, a9), xor<T>(a14, a19)), a24)
  d0 = xor<T>(c4, rot<T>(c1, 1))
  d1 = xor<T>(c0, rot<T>(c2, 1))
  d2 = xor<T>(c1, rot<T>(c3, 1))
  d3 = xor<T>(c2, rot<T>(c4, 1))
  d4 = xor<T>(c3, rot<T>(c0, 1))
  b0 = xor<T>(a0, d0)
  b1 = rot<T>(xor<T>(a6, d1), 44)
  b2 = rot<T>(xor<T>(a12, d2), 43)
  b3 = rot<T>(xor<T>(a18, d3), 21)
  b4 = rot<T>(xor<T>(a24, d4), 14)
  store<T>(out, xor<T>(chi<T>(b0, b1, b2), splat<T>(0x8000000080008008)))
  store<T>(out + sizeof<T>(), chi<T>(b1, b2, b3))
  store<T>(out + 2 * sizeof<T>(), chi<T>(b2, b3, b4))
  store<T>(out + 3 * sizeof<T>(), chi<T>(b3, b4, b0))
}
