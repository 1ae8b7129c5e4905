import fc from 'fast-check'

type Schema = {
  $ref?: string
  const?: unknown
  enum?: unknown[]
  type?: string | string[]
  oneOf?: Schema[]
  anyOf?: Schema[]
  pattern?: string
  minLength?: number
  minimum?: number
  maximum?: number
  items?: Schema
  minItems?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
}

/** Values that are valid by a JSON Schema of the OpenAPI document, as far as the document uses JSON Schema. */
export function arbitraryOf(schema: Schema, document: object, depth = 0): fc.Arbitrary<unknown> {
  const of = (inner: Schema) => arbitraryOf(inner, document, depth + 1)
  if (schema.$ref !== undefined) return arbitraryOf(resolve(schema.$ref, document), document, depth)
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choice = schema.oneOf ?? schema.anyOf
  if (choice !== undefined) {
    const shallow = choice.filter(({ type }) => type !== 'array' && type !== 'object')
    return fc.oneof(...(depth > 4 && shallow.length > 0 ? shallow : choice).map(of))
  }
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => of({ ...schema, type })))
  switch (schema.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -(2 ** 31), max: schema.maximum ?? 2 ** 31 })
    case 'number':
      return fc.double({ noNaN: true, min: schema.minimum ?? -1e300, max: schema.maximum ?? 1e300 })
    case 'string':
      if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern))
      return fc.string({ unit: 'grapheme', minLength: schema.minLength ?? 0, maxLength: 40 })
    case 'array':
      return fc.array(of(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 5, 5),
      })
    case 'object':
      return objectOf(schema, of)
    default:
      throw new Error(`no values for ${JSON.stringify(schema)}`)
  }
}

function objectOf(schema: Schema, of: (inner: Schema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema
  const known = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, of(inner)])),
    { requiredKeys: required },
  )
  if (typeof additionalProperties !== 'object') return known
  const more = fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 12 }), of(additionalProperties), {
    maxKeys: 4,
  })
  return fc.tuple(known, more).map(([one, other]) => ({ ...other, ...one }))
}

function resolve(ref: string, document: object): Schema {
  let at: unknown = document
  for (const step of ref.replace(/^#\//, '').split('/')) at = (at as Record<string, unknown>)[step]
  if (at === undefined) throw new Error(`${ref} leads nowhere`)
  return at as Schema
}
