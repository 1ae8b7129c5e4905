/**
 * A service as it is usually written: one row a record through kysely, one `insert … on conflict do nothing` a
 * request, and at the tick a merkletreejs tree over the rows that have no proof yet, with each row's proof stored.
 */
import { fastify } from 'fastify'
import keccak256 from 'keccak256'
import { type Generated, Kysely, PostgresDialect, sql } from 'kysely'
import { MerkleTree } from 'merkletreejs'
import pg from 'pg'

type Record = { id: Generated<number>; hash: Buffer; received_at: Generated<Date>; proof: string | null }

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const db = new Kysely<{ peer_record: Record }>({ dialect: new PostgresDialect({ pool }) })
await sql`create table if not exists peer_record (
  id bigint generated always as identity primary key,
  hash bytea not null unique,
  received_at timestamptz not null default now(),
  proof jsonb
)`.execute(db)

const app = fastify({ logger: false })
app.post<{ Body: { hash: string } }>(
  '/v1/records',
  {
    schema: {
      body: {
        type: 'object',
        required: ['hash'],
        additionalProperties: false,
        properties: { hash: { type: 'string', pattern: '^(0x)?[0-9a-fA-F]{64}$' } },
      },
    },
  },
  async (request, reply) => {
    const hash = Buffer.from(request.body.hash.replace(/^0x/, ''), 'hex')
    await db
      .insertInto('peer_record')
      .values({ hash, proof: null })
      .onConflict((conflict) => conflict.column('hash').doNothing())
      .execute()
    reply.code(202)
    return { accepted: 1 }
  },
)

/** Every row without a proof gets one, of a tree over them all. */
async function tick(): Promise<void> {
  const rows = await db
    .selectFrom('peer_record')
    .select(['id', 'hash'])
    .where('proof', 'is', null)
    .orderBy('id')
    .execute()
  if (rows.length === 0) return
  const tree = new MerkleTree(
    rows.map((row) => keccak256(keccak256(row.hash))),
    keccak256,
    { sortPairs: true },
  )
  const leaves = tree.getLeaves()
  const step = 1_000
  for (let start = 0; start < rows.length; start += step) {
    const part = rows.slice(start, start + step)
    const proofs = part.map((_, i) => JSON.stringify(tree.getHexProof(leaves[start + i]!, start + i)))
    await sql`update peer_record set proof = made.proof
      from unnest(${part.map((row) => row.id)}::bigint[], ${proofs}::jsonb[]) made (id, proof)
      where peer_record.id = made.id`.execute(db)
  }
}

const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.on('message', async ({ type, id }: { type: string; id: number }) => {
  if (type === 'tick') {
    try {
      await tick()
      process.send?.({ type: 'ticked', id })
    } catch (error) {
      process.send?.({ type: 'ticked', id, error: String(error) })
    }
  } else if (type === 'close') {
    await app.close()
    await db.destroy()
    process.exit(0)
  }
})
process.on('disconnect', () => process.exit(0))
process.send?.({ type: 'ready', url })
