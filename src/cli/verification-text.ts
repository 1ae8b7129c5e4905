import type { Check, Verification } from 'holdfast-client'
import { visible } from './terminal.ts'

const MARKS: Record<Check['state'], { text: string; colour: number }> = {
  passed: { text: '  ok  ', colour: 32 },
  failed: { text: ' FAIL ', colour: 31 },
  unread: { text: '  ??  ', colour: 33 },
  noted: { text: ' note ', colour: 33 },
}

/** The verification for a terminal: every check, what is only stated, and the verdict last. */
export function describeVerification(result: Verification, isTerminal: boolean): string {
  const paint = painter(isTerminal)
  const lines = result.checks.map(({ name, state, detail }) => {
    const { text, colour } = MARKS[state]
    return `${paint(text, colour)} ${visible(`${name}: ${detail}`)}`
  })
  for (const { chainId, endpoints } of result.anchors) {
    for (const { name, outcome, detail } of endpoints) {
      if (outcome === 'unread')
        lines.push(
          `${paint(MARKS.unread.text, MARKS.unread.colour)} ${visible(`${chainId}, ${name}: ${detail}`)}`,
        )
    }
  }
  if (result.stated.length > 0) {
    lines.push('', 'Stated by Holdfast, not proven by the chain:')
    lines.push(...result.stated.map(({ field, value }) => visible(`       ${field}: ${value}`)))
  }
  const colour = result.valid
    ? MARKS.passed.colour
    : result.conclusive
      ? MARKS.failed.colour
      : MARKS.unread.colour
  return [...lines, '', paint(visible(result.headline), colour)].join('\n')
}

/** Colour on terminals only, and never against the reader's NO_COLOR. */
function painter(isTerminal: boolean): (text: string, colour: number) => string {
  const isPlain = !isTerminal || (process.env.NO_COLOR ?? '') !== ''
  return (text, colour) => (isPlain ? text : `\u001b[${colour}m${text}\u001b[0m`)
}
