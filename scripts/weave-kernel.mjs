/**
 * In: assembly/keccak.ts. Out: the same and `digest3`, which is `digest` for two inputs in the lanes of vectors and for a
 * third in 64-bit registers: every statement once for v128 and once for u64, so that the processor's ports for integers,
 * which vectors leave idle, take the third along. Measured 1.13 times as many hashes as two at a time on an Intel processor; on
 * AMD's Zen 4, which has more ports for vectors, 0.97 times.
 *
 * In the rounds from 1 to 22, six lanes of the third state are kept complemented, which leaves 8 of 25 negations a round
 * (Keccak implementation overview 3.2, section 2.2, "lane complementing"); vectors negate for nothing.
 */

const COMPLEMENTED = [1, 2, 8, 12, 17, 20]
/** Columns with an odd number of complemented lanes: their parity is complemented, too. */
const FLIPPED_PARITIES = [0, 1, 2, 3]

/** chi on complemented lanes, by row and column; x, y and z are the lane and its right neighbours after rho and pi. */
const CHI = [
  ['x ^ (y | z)', 'x ^ (~y | z)', 'x ^ (y & z)', 'x ^ (y | z)', 'x ^ (y & z)'],
  ['x ^ (y | z)', 'x ^ (y & z)', 'x ^ (y | ~z)', 'x ^ (y | z)', 'x ^ (y & z)'],
  ['x ^ (y | z)', 'x ^ (y & z)', 'x ^ (~y & z)', '~x ^ (y | z)', 'x ^ (y & z)'],
  ['x ^ (y & z)', 'x ^ (y | z)', 'x ^ (~y | z)', '~x ^ (y & z)', 'x ^ (y | z)'],
  ['x ^ (~y & z)', '~x ^ (y | z)', 'x ^ (y & z)', 'x ^ (y | z)', 'x ^ (y & z)'],
]

const PUT_CHI = /put<u64>\((third[AE]), (\d+), (xor<u64>\()?chi<u64>\((\w+), (\w+), (\w+)\)/g

/** @param {string} source the text of keccak.ts */
export function weave(source) {
  const start = source.indexOf('function digest<T>(')
  const lines = source.slice(start).split('\n')
  const end = lines.indexOf('}')
  if (start < 0 || end < 0) throw new Error('keccak.ts has no function digest<T>')
  const loopStart = lines.findIndex((line) => line.startsWith('  for ('))
  const loopEnd = lines.indexOf('  }')
  const rounds = [
    ...lines.slice(1, loopStart).flatMap(both),
    ...COMPLEMENTED.map((lane) => `put<u64>(thirdA, ${lane}, ~lane<u64>(thirdA, ${lane}))`),
    ...flipParities(),
    lines[loopStart],
    ...lines
      .slice(loopStart + 1, loopEnd)
      .flatMap(both)
      .map(onComplementedLanes),
    lines[loopEnd],
    ...flipParities(),
    ...lines
      .slice(loopEnd + 1, end)
      .flatMap(both)
      .map((line) => line.replace('lane<u64>(thirdA, 12)', '~lane<u64>(thirdA, 12)')),
  ]
  const lanes = [0, 1, 2, 3, 4, 5, 6, 7, 8]
  const parameters = [...lanes.map((i) => `m${i}: v128`), ...lanes.map((i) => `n${i}: u64`)]
  return [source, `function digest3(${parameters.join(', ')}): void {`, ...rounds, '}', ''].join('\n')
}

function both(line) {
  if (line.trim() === '' || line.trim().startsWith('//')) return [line]
  return [line.replaceAll('<T>', '<v128>').replaceAll(': T', ': v128'), thirdOf(line)]
}

/** The statement for the third input: its own locals, and its own state in memory. */
function thirdOf(line) {
  return line
    .replaceAll('<T>', '<u64>')
    .replaceAll(': T', ': u64')
    .replace(/\b([bcd][0-4]|end)\b/g, 'third_$1')
    .replace(/\bm([0-8])\b/g, 'n$1')
    .replace(/\((A|E|C|OUT), /g, '(third$1, ')
}

function onComplementedLanes(line) {
  return line.replace(PUT_CHI, (_match, state, lane, iota = '', x, y, z) => {
    const names = { x, y, z }
    const chi = CHI[Math.floor(lane / 5)][lane % 5].replace(/[xyz]/g, (name) => names[name])
    return `put<u64>(${state}, ${lane}, ${iota}(${chi})`
  })
}

function flipParities() {
  return FLIPPED_PARITIES.map((column) => `third_c${column} = ~third_c${column}`)
}
