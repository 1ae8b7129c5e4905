import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { canonicalText, JsonError } from 'holdfast-client/canonical'
import { faultOfNumber } from 'holdfast-client/json-number'
import { openJson, readCanonical } from 'holdfast-client/json-reader'
import { describe, expect, it } from 'vitest'
import { canonicalJson, MAX_JSON_DEPTH, parseStrictJson } from '../../src/core/canonical.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import { recordHash } from '../../src/core/record-hash.ts'
import vectors from '../vectors/canonical.json' with { type: 'json' }

function refusal(run: () => unknown): HoldfastError {
  try {
    run()
  } catch (error) {
    if (error instanceof HoldfastError) return error
    throw error
  }
  throw new Error('was accepted')
}

function accepts(run: () => unknown): boolean {
  try {
    run()
    return true
  } catch {
    return false
  }
}

/** Any JSON value with a strict text: no lone surrogates, no integers that JSON.stringify writes beyond 2^53 - 1. */
const jsonValue = fc.jsonValue({ stringUnit: 'binary' }).filter((value) => {
  return accepts(() => parseStrictJson(JSON.stringify(value)))
})

describe('canonical JSON', () => {
  it.each(vectors.cases)('$name: canonical text and hash are those of the golden vector', (vector) => {
    const value = parseStrictJson(vector.text)
    expect(canonicalJson(value)).toBe(vector.canonical)
    expect(recordHash(value).toString('hex')).toBe(vector.sha256)
  })

  it.each(vectors.numbers)('writes the double $ieee754 as $canonical', ({ ieee754, canonical }) => {
    expect(canonicalJson(Buffer.from(ieee754, 'hex').readDoubleBE())).toBe(canonical)
  })

  it('hashes the UTF-8 bytes of the canonical text', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const expected = createHash('sha256')
          .update(Buffer.from(canonicalJson(value), 'utf8'))
          .digest()
        expect(recordHash(value)).toEqual(expected)
      }),
    )
  })

  it('is the same however the keys were ordered and the text was spaced', () => {
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled)
      if (value === null || typeof value !== 'object') return value
      const result = Object.create(null)
      for (const [key, member] of Object.entries(value).reverse()) result[key] = shuffled(member)
      return result
    }
    fc.assert(
      fc.property(jsonValue, fc.constantFrom('', ' ', '\t', '\n  '), (value, indent) => {
        const text = JSON.stringify(shuffled(value), null, indent)
        expect(canonicalJson(parseStrictJson(text))).toBe(canonicalJson(value))
      }),
    )
  })

  it('reads its own output back to the same value and text', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const text = canonicalJson(value)
        if (!accepts(() => parseStrictJson(text))) return // integers between 2^53 and 1e21
        expect(canonicalJson(parseStrictJson(text))).toBe(text)
      }),
    )
  })

  it('refuses what is not JSON, and says where', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    const bad: [unknown, string][] = [
      [Number.NaN, '$: NaN'],
      [[1, Number.POSITIVE_INFINITY], '$[1]: NaN'],
      [{ a: [undefined] }, '$.a[0]: undefined'],
      [new Array(1), '$[0]: undefined'],
      [{ a: () => 1 }, '$.a: function'],
      [10n, '$: bigint'],
      [{ when: new Date(0) }, '$.when: only plain'],
      [{ 'b c': '\ud800' }, '$["b c"]: a string holds half'],
      [{ '\udc00': 1 }, '$: a key holds half'],
      [cyclic, 'circular'],
      [undefined, '$: undefined'],
    ]
    for (const [value, message] of bad) {
      const error = refusal(() => canonicalJson(value))
      expect(error.code).toBe('INVALID_RECORD')
      expect(error.message).toContain(message)
    }
  })

  it.each(vectors.cases)('$name: the text is made canonical in one pass', ({ text, canonical }) => {
    expect(canonicalText(text)).toBe(canonical)
  })

  it.each(vectors.rejected)('refuses to make $text canonical, at the same place', ({ code, text, at }) => {
    try {
      canonicalText(text)
    } catch (error) {
      expect(error).toBeInstanceOf(JsonError)
      expect((error as JsonError).fault).toBe(code === 'INVALID_JSON' ? 'syntax' : 'content')
      expect((error as JsonError).message).toContain(at)
      return
    }
    throw new Error('was accepted')
  })

  it('makes the same text in one pass as by way of the value', () => {
    fc.assert(
      fc.property(jsonValue, fc.constantFrom('', '\n '), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        expect(canonicalText(text)).toBe(canonicalJson(parseStrictJson(text)))
      }),
      { numRuns: 1000 },
    )
  })

  it('writes every number of up to 20 digits as the value is written', () => {
    const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`))
    const literal = fc
      .tuple(fc.constantFrom('', '-'), digits(10), digits(10), fc.integer({ min: -330, max: 310 }))
      .map(([sign, whole, fraction, exponent]) => `${sign}${Number(whole)}.${fraction}e${exponent}`)
    fc.assert(
      fc.property(literal, (text) => {
        if (faultOfNumber(text) !== undefined) expect(accepts(() => canonicalText(text))).toBe(false)
        else expect(canonicalText(text)).toBe(canonicalJson(Number(text)))
      }),
      { numRuns: 5000 },
    )
  })

  it('stops reading a value that is too long', () => {
    const members = Array.from({ length: 750_000 }, (_, i) => `"${i.toString(36)}":${i}`)
    const cursor = openJson(`{${members.join(',')}}`)
    expect(() => readCanonical(cursor, 262_144)).toThrow(JsonError)
    expect(cursor.at).toBeLessThan(262_144 + 16)
    const text = openJson(`"${'a'.repeat(100)}" `)
    expect(() => readCanonical(text, 101)).toThrow(JsonError)
    expect(readCanonical(openJson(text.text), 102)).toBe(text.text.trim())
  })

  it('leaves out undefined properties, as JSON.stringify does', () => {
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}')
  })
})

describe('strict JSON', () => {
  it.each(vectors.rejected)('refuses $text with $code', ({ code, text, at }) => {
    const error = refusal(() => parseStrictJson(text))
    expect(error.code).toBe(code)
    expect(error.message).toContain(at)
    expect(error.message.startsWith('Line ')).toBe(true)
  })

  it('accepts no text that JSON.parse refuses, and gives the same value', () => {
    const nearlyJson = fc
      .tuple(
        jsonValue,
        fc.nat(),
        fc.constantFrom('', ',', '}', ']', '"', '\\', '0', '-', '{', ':', 'e', '/', ' '),
      )
      .map(([value, at, insert]) => {
        const text = JSON.stringify(value)
        const position = at % (text.length + 1)
        return text.slice(0, position) + insert + text.slice(position + (at % 2))
      })
    fc.assert(
      fc.property(nearlyJson, (text) => {
        let parsed: unknown
        try {
          parsed = parseStrictJson(text)
        } catch (error) {
          expect(error).toBeInstanceOf(HoldfastError)
          if ((error as HoldfastError).code === 'INVALID_JSON')
            expect(accepts(() => JSON.parse(text))).toBe(false)
          return
        }
        expect(parsed).toEqual(JSON.parse(text))
      }),
      { numRuns: 2000 },
    )
  })

  it('accepts every finite double as JSON.stringify writes it, integers beyond 2^53 - 1 apart', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
        const literal = JSON.stringify(double)
        const fault = faultOfNumber(literal)
        const unsafe = /^-?\d+$/.test(literal) && !Number.isSafeInteger(double)
        expect(fault === undefined).toBe(!unsafe)
      }),
      { numRuns: 2000 },
    )
  })

  it('judges a number by its value, not by how it is written', () => {
    for (const same of ['0.1', '0.10', '0.1000', '1e-1', '1E-1', '10e-2', '0.01e+1', '0.001e2']) {
      expect(faultOfNumber(same), same).toBeUndefined()
    }
    for (const zero of ['0', '-0', '0.0', '-0.000', '0e400', '0e99999999999999999999']) {
      expect(faultOfNumber(zero), zero).toBeUndefined()
    }
    for (const lossy of [
      '0.10000000000000001',
      '1e-9999999999999999999',
      '0.1e-330',
      '123456789.123456789123',
    ]) {
      expect(faultOfNumber(lossy), lossy).toBeDefined()
    }
  })

  it('bounds the depth, and blows no stack on a megabyte of brackets', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(accepts(() => canonicalJson(parseStrictJson(nested(MAX_JSON_DEPTH))))).toBe(true)
    expect(refusal(() => parseStrictJson(nested(MAX_JSON_DEPTH + 1))).code).toBe('INVALID_RECORD')
    expect(refusal(() => parseStrictJson('['.repeat(1_000_000))).code).toBe('INVALID_RECORD')
    expect(refusal(() => parseStrictJson('{"a":'.repeat(300_000))).code).toBe('INVALID_RECORD')
  })

  it('keeps __proto__ as an own key and pollutes nothing', () => {
    const value = parseStrictJson('{"__proto__":{"polluted":true}}') as object
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it('names no value of the record in its messages', () => {
    for (const text of [
      '{"card":4111111111111111111}',
      '{"card":secret}',
      '{"card":"secret\ud800"}',
      '["secret" 1]',
    ]) {
      expect(refusal(() => parseStrictJson(text)).message).not.toMatch(/secret|4111/)
    }
  })
})
