import {
  anyJson,
  bodyFailures,
  hash,
  hashIn,
  integer,
  json,
  key,
  list,
  object,
  orNull,
  text,
  time,
} from '../schema-parts.ts'
import { MAX_HASHES, MAX_RECORDS } from './parse-items.ts'

export const INGEST_SCHEMA = {
  tags: ['ingest'],
  summary: 'Store hashes for anchoring. Scope: ingest',
  description:
    'Answers once the hashes are committed. JSON and octets are stored as a whole or not at all; NDJSON is stored as it arrives, and an error tells how far it came. A record is hashed here, by SHA-256 of its RFC 8785 canonical form, and not kept.',
  security: key,
  body: {
    content: {
      'application/json': {
        schema: {
          oneOf: [
            object({ hash: hashIn }),
            object({ hashes: { ...list(hashIn), minItems: 1, maxItems: MAX_HASHES } }),
            object({ record: anyJson }),
            object({ records: { ...list(anyJson), minItems: 1, maxItems: MAX_RECORDS } }),
          ],
        },
      },
      'application/x-ndjson': {
        schema: { ...text('a line is "hex", {"hash": "hex"} or {"record": …}'), minLength: 1 },
      },
      'application/octet-stream': {
        schema: { type: 'string', format: 'binary', minLength: 32, description: 'N x 32 bytes' },
      },
    },
  },
  response: {
    202: json(
      'Stored.',
      object(
        {
          accepted: integer('how many hashes were stored'),
          receivedAt: time(),
          anchorBy: orNull(time('when they are on a chain at the latest')),
          hash: { ...hash, description: 'when there was one item' },
          hashes: list(hash, 'of records, in order'),
        },
        ['hash', 'hashes'],
      ),
    ),
    ...bodyFailures(401, 403),
  },
}
