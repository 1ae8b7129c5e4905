import type { HttpDeps } from '../deps.ts'

export const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * The answer to a push, ASCII.
 * @param singleDigits the 64 hex digits of its only hash, in any case
 * @param members more JSON members, each with a comma before it
 */
export type Acknowledgement = (
  count: number,
  receivedAtMs: number,
  singleDigits?: string,
  members?: string,
) => string

/** @param anchorBy by when what was received at that instant is anchored, ms since the epoch; null without a chain */
export function createAcknowledgement(anchorBy: HttpDeps['anchorBy']): Acknowledgement {
  const times = createTimes(anchorBy)
  return (count, receivedAtMs, singleDigits, members = '') => {
    const hash = singleDigits === undefined ? '' : `,"hash":"0x${singleDigits.toLowerCase()}"`
    return `{"accepted":${count},${times(receivedAtMs)}${hash}${members}}`
  }
}

/** The two times as JSON members; requests of one commit share one text. */
function createTimes(anchorBy: HttpDeps['anchorBy']): (receivedAtMs: number) => string {
  let lastMs = Number.NaN
  let text = ''
  return (receivedAtMs) => {
    if (receivedAtMs !== lastMs) {
      const by = anchorBy(receivedAtMs)
      const deadline = by === null ? 'null' : `"${new Date(by).toISOString()}"`
      text = `"receivedAt":"${new Date(receivedAtMs).toISOString()}","anchorBy":${deadline}`
      lastMs = receivedAtMs
    }
    return text
  }
}
