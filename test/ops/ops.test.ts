import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../../src/core/errors.ts'
import { METRICS } from '../../src/core/metrics.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createMetrics } from '../../src/ops/metrics.ts'
import { createShutdown } from '../../src/ops/shutdown.ts'

function capture() {
  const lines: string[] = []
  const destination = new Writable({
    decodeStrings: false,
    write(line, _encoding, done) {
      lines.push(String(line))
      done()
    },
  })
  return { lines, destination }
}

describe('createLogger', () => {
  it('writes JSON lines with a level name, an ISO time and an error told in full', () => {
    const { lines, destination } = capture()
    const logger = createLogger({ level: 'info', pretty: false, destination })
    const cause = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    logger
      .child({ chain: 5 })
      .error(
        { err: new HoldfastError('CHAIN_UNAVAILABLE', 'No answer.', { retryAfter: 2, cause }) },
        'cannot read',
      )
    logger.debug('not at this level')
    expect(lines).toHaveLength(1)
    const line = JSON.parse(lines[0]!)
    expect(line).toMatchObject({
      level: 'error',
      chain: 5,
      msg: 'cannot read',
      err: {
        code: 'CHAIN_UNAVAILABLE',
        message: 'No answer.',
        context: { retryAfter: 2 },
        cause: { code: 'ECONNRESET', message: 'socket hang up' },
      },
    })
    expect(new Date(line.time).toISOString()).toBe(line.time)
  })

  it('writes each key once, whatever children and calls repeat', () => {
    const { lines, destination } = capture()
    const logger = createLogger({ level: 'info', pretty: false, destination })
    const chain = logger.child({ chainId: 5 }).child({ chainId: 31337, part: 'a' })
    chain.info({ chainId: 31337, part: 'b', level: 9, time: 1, msg: 'inner' }, 'sent')
    chain.child({ msg: 'bound' }).warn('plain')
    chain.error(new Error('bare'))
    for (const line of lines) {
      const keys = [...line.matchAll(/"(\w+)":/g)].map(([, key]) => key)
      expect(keys).toEqual([...new Set(keys)])
    }
    expect(JSON.parse(lines[0]!)).toMatchObject({
      chainId: 31337,
      part: 'b',
      level_: 9,
      msg_: 'inner',
      msg: 'sent',
    })
    expect(JSON.parse(lines[1]!)).toMatchObject({ chainId: 31337, part: 'a', msg_: 'bound', msg: 'plain' })
    expect(JSON.parse(lines[2]!)).toMatchObject({ level: 'error', err: { message: 'bare' } })
  })

  it('lets no secret out, wherever it stands', () => {
    for (const pretty of [false, true]) {
      const { lines, destination } = capture()
      const logger = createLogger({
        level: 'debug',
        pretty,
        destination,
        secrets: ['hunter22', 'cafe'.repeat(16)],
      })
      logger.info({ headers: { authorization: 'Bearer hf_abc' }, url: 'postgres://u:hunter22@h/d' }, 'hello')
      const error = Object.assign(new Error(`bad key 0x${'cafe'.repeat(16)}`), {
        request: { body: 'deep-body' },
      })
      logger.error({ err: error, record: { name: 'Ada' } }, 'connecting with hunter22 failed')
      const text = lines.join('')
      for (const secret of ['hf_abc', 'hunter22', 'cafecafe', 'deep-body', 'Ada'])
        expect(text).not.toContain(secret)
      expect(text).toContain('hello')
    }
  })
})

describe('createMetrics', () => {
  it('gives counters, gauges and histograms to Prometheus', async () => {
    const metrics = createMetrics()
    metrics.count('holdfast_intake_hashes_total', 3)
    metrics.gauge('holdfast_balance_days', 1.5, { chain: '5' })
    metrics.observe('holdfast_seal_seconds', 0.002)
    metrics.onCollect(() => metrics.gauge('holdfast_intake_backlog_hashes', 7))
    const text = await metrics.text()
    expect(text).toContain('# HELP holdfast_intake_hashes_total Hashes committed to the intake log.')
    expect(text).toContain('holdfast_intake_hashes_total 3')
    expect(text).toContain('holdfast_balance_days{chain="5"} 1.5')
    expect(text).toContain('holdfast_seal_seconds_bucket{le="0.0025"} 1')
    expect(text).toContain('holdfast_intake_backlog_hashes 7')
  })

  it('starts every counter at zero where its labels are known, so that the first event shows', async () => {
    const text = await createMetrics({ chains: [1, 31337] }).text()
    expect(text).toContain('holdfast_seal_failures_total 0')
    expect(text).toContain('holdfast_anchor_paused_total{chain="31337",reason="nonce_gap"} 0')
    expect(text).toContain('holdfast_tick_failures_total{tick="anchor:1"} 0')
  })

  it('names metrics as Prometheus wants them', () => {
    for (const [name, { type, help }] of Object.entries(METRICS)) {
      expect(name).toMatch(/^holdfast_[a-z][a-z_]*$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/)
      expect(help).toMatch(/^[A-Z0-9].{8,}\.$/)
    }
  })
})

describe('createShutdown', () => {
  const logger = createLogger({ level: 'silent', pretty: false })

  it('undoes in reverse, each after the one before, and goes on past a failure', async () => {
    const order: string[] = []
    const shutdown = createShutdown({ logger, deadlineMs: 5000 })
    shutdown.defer('database', () => order.push('database'))
    shutdown.defer('broken', () => Promise.reject(new Error('cannot')))
    shutdown.defer('http', async () => {
      await new Promise((resolve) => setImmediate(resolve))
      order.push('http')
    })
    const first = shutdown.run('test')
    expect(shutdown.run('again')).toBe(first)
    expect(await first).toBe(false)
    expect(order).toEqual(['http', 'database'])
  })

  it('gives up at the deadline', async () => {
    const shutdown = createShutdown({ logger, deadlineMs: 20 })
    shutdown.defer('hangs', () => new Promise(() => {}))
    expect(await shutdown.run('test')).toBe(false)
  })

  it.each([
    ['SIGTERM once', ['SIGTERM'], 0],
    ['SIGINT once', ['SIGINT'], 0],
    ['a second signal', ['SIGTERM', 'SIGINT'], 130],
  ] as const)('ends the process on %s', async (_name, signals, status) => {
    const exited = new Promise<number>((resolve) => {
      const shutdown = createShutdown({ logger, deadlineMs: 5000, exit: resolve })
      shutdown.defer('work', () => (signals.length > 1 ? new Promise(() => {}) : undefined))
      const stop = shutdown.onSignals()
      for (const signal of signals) process.emit(signal)
      stop()
    })
    expect(await exited).toBe(status)
  })
})
