import type { Figure } from './tree.ts'

/** The middle value; of an even number of values the upper of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >>> 1] ?? Number.NaN
}

/** The value that `share` (0 to 1) of the values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** A figure of medians. `better` says whether more or less of the unit is better; the ratio follows from it. */
export function figureOf(what: {
  bench: string
  metric: string
  unit: string
  n: number
  holdfast: readonly number[]
  reference: { name: string; values: readonly number[] }
  better: 'more' | 'less'
}): Figure {
  const holdfast = rounded(median(what.holdfast))
  const value = rounded(median(what.reference.values))
  const ratio = what.better === 'more' ? holdfast / value : value / holdfast
  return {
    bench: what.bench,
    metric: what.metric,
    unit: what.unit,
    n: what.n,
    holdfast,
    reference: { name: what.reference.name, value },
    ratio: Number(ratio.toFixed(3)),
  }
}

function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4))
}

/** Runs every contestant once a round, one after the other, so that a noisy minute hits all of them. */
export async function interleave<Name extends string>(
  rounds: number,
  contestants: Record<Name, (round: number) => Promise<number>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contestants) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (let round = 0; round < rounds; round++) {
    for (const name of names) results[name].push(await contestants[name](round))
    const last = names.map((name) => `${name} ${rounded(results[name].at(-1)!).toLocaleString('en')}`)
    note(`  round ${round + 1}/${rounds}: ${last.join(' · ')}`)
  }
  return results
}

/** A line for the reader; standard output is for figures. */
export function note(line: string): void {
  console.error(line)
}
