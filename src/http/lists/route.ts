/** Batches, tiles and anchors for auditors and mirrors. Tiles reveal hashes, so all of it needs the scope `audit`. */
import type { FastifyInstance } from 'fastify'
import { HoldfastError } from '../../core/errors.ts'
import { toHex } from '../../core/hash.ts'
import type { AnchorRow, BatchRow } from '../../store/chain/read-lists.ts'
import type { Auth } from '../auth.ts'
import type { HttpDeps } from '../deps.ts'
import {
  ANCHOR_SCHEMA,
  ANCHORS_SCHEMA,
  BATCH_SCHEMA,
  BATCHES_SCHEMA,
  MAX_LIMIT,
  STANDARD_LIMIT,
  TILE_SCHEMA,
} from './schema.ts'

const MAX_INT = 2_147_483_647

type PageQuery = { Querystring: Record<string, string | string[]> }
type IdParams = { Params: { id: string } }
type TileParams = { Params: { id: string; level: string; index: string } }

export function registerLists(app: FastifyInstance, deps: HttpDeps & { auth: Auth }): void {
  const { lists } = deps
  const onRequest = deps.auth.require('audit')

  app.get<PageQuery>('/v1/batches', { onRequest, schema: BATCHES_SCHEMA }, async (request) => {
    const page = pageOf(request.query)
    const rows = await lists.batches(page)
    return { batches: rows.map(batchView), next: nextOf(rows, page.limit) }
  })

  app.get<IdParams>('/v1/batches/:id', { onRequest, schema: BATCH_SCHEMA }, async (request) => {
    const row = await lists.batch(idOf(request.params.id, 'batch'))
    return batchView(row ?? absent(`Batch ${request.params.id}`))
  })

  app.get<TileParams>(
    '/v1/batches/:id/tiles/:level/:index',
    { onRequest, schema: TILE_SCHEMA },
    async (request, reply) => {
      const { id, level, index } = request.params
      const tile = await lists.tile(idOf(id, 'batch'), idOf(level, 'level', 255), idOf(index, 'index'))
      return reply
        .header('content-type', 'application/octet-stream')
        .header('cache-control', 'private, max-age=31536000, immutable')
        .send(tile ?? absent(`Tile ${level}/${index} of batch ${id}`))
    },
  )

  app.get<PageQuery>('/v1/anchors', { onRequest, schema: ANCHORS_SCHEMA }, async (request) => {
    const page = pageOf(request.query)
    const rows = await lists.anchors(page)
    return { anchors: rows.map(anchorView), next: nextOf(rows, page.limit) }
  })

  app.get<IdParams>('/v1/anchors/:id', { onRequest, schema: ANCHOR_SCHEMA }, async (request) => {
    const row = await lists.anchor(idOf(request.params.id, 'anchor', Number.MAX_SAFE_INTEGER))
    return anchorView(row ?? absent(`Anchor ${request.params.id}`))
  })
}

/** @throws HoldfastError INVALID_REQUEST for what the documented patterns do not allow */
function pageOf(query: PageQuery['Querystring']): { limit: number; before?: number } {
  for (const [name, value] of Object.entries(query)) {
    if (name !== 'limit' && name !== 'before') {
      throw new HoldfastError(
        'INVALID_REQUEST',
        `Unknown parameter ${JSON.stringify(name.slice(0, 40))}; limit and before are known.`,
      )
    }
    if (typeof value !== 'string') {
      throw new HoldfastError('INVALID_REQUEST', `The parameter ${name} is there more than once.`)
    }
  }
  const { limit = String(STANDARD_LIMIT), before } = query as Record<string, string>
  if (!/^[0-9]{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT) {
    throw new HoldfastError('INVALID_REQUEST', `The limit must be a whole number from 1 to ${MAX_LIMIT}.`)
  }
  if (before === undefined) return { limit: Number(limit) }
  return { limit: Number(limit), before: Math.min(MAX_INT, numberOf(before, 'before')) }
}

/** The `before` of the next page, or null when this one is the last. */
function nextOf(rows: readonly { id: number }[], limit: number): string | null {
  return rows.length < limit ? null : String(rows.at(-1)!.id)
}

function idOf(text: string, name: string, most = MAX_INT): number {
  const id = numberOf(text, name)
  return id <= most ? id : absent(`${name} ${text}`)
}

/** Ids are decimal text, as the API gives them out. */
function numberOf(text: string, name: string): number {
  if (/^[0-9]{1,16}$/.test(text)) return Number(text)
  throw new HoldfastError('INVALID_REQUEST', `The ${name} must be a whole number in decimal digits.`)
}

function absent(what: string): never {
  throw new HoldfastError('NOT_FOUND', `${what} does not exist.`)
}

function batchView(row: BatchRow): object {
  return {
    id: String(row.id),
    leafCount: row.leafCount,
    root: toHex(row.root),
    sealedAt: row.sealedAt.toISOString(),
    firstReceivedAt: row.firstReceivedAt.toISOString(),
    lastReceivedAt: row.lastReceivedAt.toISOString(),
    firstIndex: row.firstIndex,
    anchors: row.anchorIds.map(String),
  }
}

function anchorView(row: AnchorRow): object {
  return {
    id: String(row.id),
    chainId: `eip155:${row.chainId}`,
    registry: row.registry,
    publisher: row.publisher,
    mode: row.mode,
    root: toHex(row.root),
    state: row.state,
    firstBatch: String(row.firstBatch),
    lastBatch: String(row.lastBatch),
    leafCount: row.leafCount,
    anchorBy: row.anchorBy.toISOString(),
    createdAt: row.createdAt.toISOString(),
    transactionHash: row.transactionHash && toHex(row.transactionHash),
    blockNumber: row.blockNumber,
    blockHash: row.blockHash && toHex(row.blockHash),
    blockTime: row.blockTime?.toISOString() ?? null,
    gasUsed: row.gasUsed,
    finalizedAt: row.finalizedAt?.toISOString() ?? null,
    reason: row.reason,
    detail: row.detail,
  }
}
