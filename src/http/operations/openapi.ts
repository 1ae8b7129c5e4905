import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'

/** The parts of `/openapi.json` that are not about one route. */
export const DOCUMENT: NonNullable<FastifyDynamicSwaggerOptions['openapi']> = {
  openapi: '3.1.0',
  info: {
    title: 'Holdfast',
    version: '1',
    description:
      'Push 32-byte record hashes, and prove later that they existed: hashes are sealed into Merkle trees whose roots are written to EVM chains. Hashes go out as lower-case 0x hex and come in with or without 0x, in any case. Times are RFC 3339, UTC, with milliseconds. Errors are application/problem+json with a stable code.',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  tags: [
    { name: 'ingest', description: 'For producers.' },
    { name: 'audit', description: 'For whoever holds a hash. Open, unless auth.publicReceipts is off.' },
    { name: 'lists', description: 'For mirrors and auditors of the whole log.' },
    { name: 'operations', description: 'For operators.' },
  ],
  components: {
    securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, hf_…' } },
  },
}

/** Shared schemas are found in the document by their own name. */
export const NAMED: NonNullable<FastifyDynamicSwaggerOptions['refResolver']> = {
  buildLocalReference: (schema, _baseUri, _fragment, i) => String(schema.$id ?? `schema-${i}`),
}
