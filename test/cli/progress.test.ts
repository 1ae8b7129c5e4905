import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgress } from '../../src/cli/progress.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-progress-'))
  file = join(folder, 'hashes')
  writeFileSync(file, 'x'.repeat(100))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What a terminal, or another stream, is shown. */
function screen(isTTY: boolean) {
  let shown = ''
  const stream = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        shown += String(chunk)
        done()
      },
    }),
    { isTTY, columns: 120 },
  ) as unknown as NodeJS.WriteStream
  return { stream, shown: () => shown }
}

describe('the progress of a push', () => {
  it('is a bar by the size of the files, above which lines of the result are printed', () => {
    const { stream, shown } = screen(true)
    const printed: string[] = []
    const progress = startProgress([file], stream, (line) => printed.push(line))
    progress.read(50)
    progress.print('a hash')
    progress.accepted(7)
    progress.stop()
    expect(shown()).toContain('50% | 7 hashes stored')
    expect(shown()).toContain('\r\u001b[K')
    expect(printed).toEqual(['a hash'])
  })

  it('is a counter where standard input is among them', () => {
    const { stream, shown } = screen(true)
    const progress = startProgress([file, '-'], stream, () => {})
    progress.read(50)
    progress.accepted(7)
    progress.stop()
    expect(shown()).toContain('7 hashes stored | 50 bytes read')
    expect(shown()).not.toContain('%')
  })

  it('is nothing where there is no terminal', () => {
    const { stream, shown } = screen(false)
    const progress = startProgress([file], stream, () => {})
    progress.read(50)
    progress.accepted(7)
    progress.stop()
    expect(shown()).toBe('')
  })
})
