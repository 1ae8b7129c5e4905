/**
 * Draws docs/benchmarks.svg from figures: JSON lines on standard input, the picture on standard output. Bars on a
 * logarithmic scale, Holdfast beside its peers.
 */
import { readFileSync } from 'node:fs'
import type { Figure } from './tree.ts'

type Bar = { label: string; value: number; ours: boolean }
type Group = { title: string; unit: string; bars: Bar[] }

const WIDTH = 760
const LABEL_WIDTH = 300
const BAR_HEIGHT = 18
const GAP = 6
const TITLE_HEIGHT = 34

const SHOWN: { title: string; bench: string; metric: RegExp }[] = [
  {
    title: 'Ingest over HTTP, 10,000 hashes a request',
    bench: 'ingest-bulk',
    metric: /octets, 10000 a request/,
  },
  {
    title: 'Ingest over HTTP, one hash a request, 64 connections',
    bench: 'ingest-single',
    metric: /requests, 64/,
  },
  { title: 'Intake to sealed and findable', bench: 'seal', metric: /sustained/ },
  { title: 'Tree alone, one thread', bench: 'tree', metric: /tree/ },
]

const figures = readFileSync(0, 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line) as Figure)
process.stdout.write(draw(SHOWN.map(groupOf).filter((group) => group.bars.length > 0)))

function groupOf({ title, bench, metric }: (typeof SHOWN)[number]): Group {
  const shown = figures.filter((figure) => figure.bench === bench && metric.test(figure.metric))
  const first = shown[0]
  if (first === undefined) return { title, unit: '', bars: [] }
  const peers = shown.map(({ reference }) => ({ label: reference.name, value: reference.value, ours: false }))
  const bars = [{ label: 'Holdfast', value: first.holdfast, ours: true }, ...peers]
  return { title, unit: first.unit, bars: bars.toSorted((a, b) => b.value - a.value) }
}

function draw(groups: readonly Group[]): string {
  const most = Math.max(...groups.flatMap((group) => group.bars.map((bar) => bar.value)))
  const width = (value: number) =>
    ((WIDTH - LABEL_WIDTH - 130) * Math.log10(value / 100)) / Math.log10(most / 100)
  const parts: string[] = []
  let y = 8
  for (const { title, unit, bars } of groups) {
    parts.push(`<text x="8" y="${y + 16}" font-weight="600">${escaped(`${title}, ${unit}`)}</text>`)
    y += TITLE_HEIGHT - 8
    for (const { label, value, ours } of bars) {
      const length = Math.max(2, width(value)).toFixed(0)
      const middle = y + BAR_HEIGHT - 5
      parts.push(
        `<text x="${LABEL_WIDTH - 8}" y="${middle}" text-anchor="end">${escaped(label)}</text>`,
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${length}" height="${BAR_HEIGHT}" rx="2" fill="${ours ? '#0b7a75' : '#b4b8bf'}"/>`,
        `<text x="${LABEL_WIDTH + Number(length) + 6}" y="${middle}">${Math.round(value).toLocaleString('en')}</text>`,
      )
      y += BAR_HEIGHT + GAP
    }
    y += 14
  }
  parts.push(`<text x="8" y="${y + 12}" fill="#666">Logarithmic scale from 100.</text>`)
  const height = y + 24
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#222"><rect width="${WIDTH}" height="${height}" fill="#fff"/>${parts.join('')}</svg>\n`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
