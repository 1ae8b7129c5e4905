import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProcess } from '../support/process.ts'
import { type ServerUnderTest, startServer } from './server-under-test.ts'

const hasPython = spawnSync('python3', ['--version']).status === 0

/** Python's own HTTP client sends the whole body before it reads a byte of the answer. */
const SCRIPT = `
import json, sys, urllib.request, urllib.error
url, key, size, chunked = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == 'chunked'
def pieces():
    for _ in range(0, size, 65536):
        yield b'x' * 65536
request = urllib.request.Request(url + '/v1/records', data=pieces() if chunked else b'x' * size, method='POST')
request.add_header('Authorization', 'Bearer ' + key)
request.add_header('Content-Type', 'application/octet-stream')
if chunked:
    request.add_header('Transfer-Encoding', 'chunked')
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, json.load(answer).get('code'))
`

describe.skipIf(!hasPython)("Python's urllib (skipped where there is no python3)", () => {
  let server: ServerUnderTest
  beforeAll(async () => {
    server = await startServer({ settings: { bodyLimitBytes: 1024 * 1024 } })
  })
  afterAll(() => server.close())

  async function push(size: number, key: string, way: 'length' | 'chunked'): Promise<string> {
    const run = runProcess('python3', ['-c', SCRIPT, server.url, key, String(size), way])
    await run.exit(60_000)
    return run.output().trim()
  }

  it.each(['length', 'chunked'] as const)(
    'gets the answer to a body that is too large, sent with its %s',
    async (way) => {
      const key = await server.key('ingest')
      expect(await push(1024 * 1024, key, way)).toBe('202 None')
      for (const size of [2, 16, 48]) {
        expect(await push(size * 1024 * 1024, key, way)).toBe('413 PAYLOAD_TOO_LARGE')
      }
      expect(await push(8 * 1024 * 1024, 'hf_none', way)).toBe('401 UNAUTHORIZED')
    },
  )
})
