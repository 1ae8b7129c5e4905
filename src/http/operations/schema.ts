import { as, failures, json, key, list, object, text } from '../schema-parts.ts'

export const STATUS_SCHEMA = {
  tags: ['operations'],
  summary: 'Backlog, next tick, last anchor and signer balance of each chain. Scope: audit',
  security: key,
  response: {
    200: json('The status.', { type: 'object', additionalProperties: true }),
    ...failures(401, 403),
  },
}
export const EVENTS_SCHEMA = {
  tags: ['operations'],
  summary: 'Server-sent events. Scope: audit, or ingest for the events of its own records',
  description:
    'Events are sealed, anchored, finalized and reorged, in the fields of the lists, with an id each. A client that comes back with Last-Event-ID gets what it missed of the last 1,000; an event "gap" says that some may be missing, after a restart or at another replica.',
  security: key,
  headers: {
    type: 'object',
    properties: { 'last-event-id': { ...text('the id of the last event that was read'), maxLength: 100 } },
  },
  response: {
    200: as('text/event-stream', 'Events as they happen.', text()),
    ...failures(401, 403),
  },
}

const checks = object({
  status: { type: 'string', enum: ['ok', 'failing'] },
  checks: list(object({ name: text(), ok: { type: 'boolean' }, detail: text() })),
})
export const LIVE_SCHEMA = {
  tags: ['operations'],
  summary: 'The process answers',
  response: { 200: json('It does.', object({ status: { const: 'ok' } })), ...failures() },
}
export const HEALTH_SCHEMA = {
  tags: ['operations'],
  summary: 'readyz: requests can be served; healthz: nothing needs an operator',
  response: {
    200: json('All checks passed.', checks),
    ...failures(),
    503: json('Some check failed.', checks),
  },
}
export const METRICS_SCHEMA = {
  tags: ['operations'],
  summary: 'Metrics for Prometheus',
  response: { 200: as('text/plain', 'The exposition.', text()), ...failures() },
}
export const OPENAPI_SCHEMA = {
  tags: ['operations'],
  summary: 'This document',
  response: { 200: json('OpenAPI 3.1.', { type: 'object', additionalProperties: true }), ...failures() },
}
