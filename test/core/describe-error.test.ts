import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { cloneableFields, describeError, reviveError } from '../../src/core/describe-error.ts'
import { HoldfastError } from '../../src/core/errors.ts'

/** A failure three causes deep, the innermost as Node's sockets throw it. */
function deepError(): HoldfastError {
  const socket = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', port: 5432 })
  const both = new AggregateError([socket, new Error('other address')], 'no address answered')
  const query = Object.assign(new Error('relation "tile" does not exist', { cause: both }), {
    code: '42P01',
    hint: 'run migrate',
    client: { password: 'hunter22' },
  })
  return new HoldfastError('DATABASE_UNAVAILABLE', 'No database.', { retryAfter: 2, cause: query })
}

async function throughThread<T>(value: T): Promise<T> {
  const { port1, port2 } = new MessageChannel()
  const arrived = once(port2, 'message')
  port1.postMessage(value)
  const [received] = (await arrived) as [T]
  port1.close()
  return received
}

it('type, code, message, context, stack and every cause survive another thread', async () => {
  const error = deepError()
  const described = await throughThread(describeError(error))
  expect(described).toMatchObject({
    type: 'HoldfastError',
    code: 'DATABASE_UNAVAILABLE',
    message: 'No database.',
    context: { retryAfter: 2 },
    stack: error.stack,
    cause: {
      type: 'Error',
      code: '42P01',
      hint: 'run migrate',
      stack: expect.stringContaining('deepError'),
      cause: {
        type: 'AggregateError',
        errors: [{ code: 'ECONNREFUSED' }, { message: 'other address' }],
      },
    },
  })
  expect(JSON.stringify(described)).not.toContain('hunter22')
})

it('what was described is described the same again, on either side', async () => {
  const once = describeError(deepError())
  expect(describeError(await throughThread(once))).toEqual(once)
  expect(describeError(reviveError(await throughThread(once)))).toEqual(once)
})

it('any thrown value has a description, and causes in a circle end', () => {
  expect(describeError('text')).toEqual({ type: 'string', message: 'text' })
  expect(describeError(undefined)).toEqual({ type: 'undefined', message: 'undefined' })
  expect(describeError(null)).toEqual({ type: 'null', message: 'null' })
  expect(describeError({ status: 7 })).toEqual({ type: 'object', message: '{ status: 7 }' })
  const circle = new Error('circle')
  circle.cause = circle
  expect(JSON.stringify(describeError(circle)).length).toBeLessThan(100_000)
})

it('log fields of every kind can be posted', async () => {
  const fields = cloneableFields({
    err: deepError(),
    other: new TypeError('second error'),
    run() {},
    deep: { socket: { write() {} } },
    count: 3,
  })
  expect(await throughThread(fields)).toMatchObject({
    err: { code: 'DATABASE_UNAVAILABLE', cause: { code: '42P01' } },
    other: { type: 'TypeError', message: 'second error' },
    run: expect.any(String),
    deep: expect.stringContaining('socket'),
    count: 3,
  })
})
