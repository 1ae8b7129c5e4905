import { once } from 'node:events'
import { Socket } from 'node:net'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { GatheringRequest } from '../../src/http/connections/request.ts'

/** The pieces that a reader gets of these pieces of a body. */
async function read(pieces: readonly Buffer[]): Promise<Buffer[]> {
  const request = new GatheringRequest(new Socket())
  const got: Buffer[] = []
  request.on('data', (piece) => got.push(piece))
  for (const piece of pieces) request.push(piece)
  request.push(null)
  await once(request, 'end')
  return got
}

it('hands on 100,000 pieces of one byte as a few of some kilobytes', async () => {
  const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
  const got = await read(Array.from(body, (_, i) => body.subarray(i, i + 1)))
  expect(Buffer.concat(got).equals(body)).toBe(true)
  expect(got.length).toBeLessThan(10)
})

it('changes no byte and no order, however a body is cut', async () => {
  const pieces = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40_000 })), {
    maxLength: 40,
  })
  await fc.assert(
    fc.asyncProperty(pieces, async (sizes) => {
      let at = 0
      const cut = sizes.map((size) => Buffer.alloc(size, at++ % 256))
      expect(Buffer.concat(await read(cut)).equals(Buffer.concat(cut))).toBe(true)
    }),
    { numRuns: 100 },
  )
})

it('hands on what came when no more comes for a while', async () => {
  const request = new GatheringRequest(new Socket())
  const came = once(request, 'data')
  request.push(Buffer.from('a'))
  request.push(Buffer.from('b'))
  expect(String((await came)[0])).toBe('ab')
  request.destroy()
})

it('asks for a pause when nobody reads', () => {
  const request = new GatheringRequest(new Socket())
  const piece = Buffer.alloc(1)
  let count = 1
  while (request.push(piece)) count++
  expect(count).toBeLessThanOrEqual(request.readableHighWaterMark)
  request.destroy()
})
