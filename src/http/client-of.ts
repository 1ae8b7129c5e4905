import { isIPv6, type Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** Who is charged for a request: the source of its key, or else the address that it came from. */
export function clientOf(request: FastifyRequest): string | number {
  return request.source?.id ?? addressOf(request.raw.socket)
}

/** An IPv4 address, or the /64 network of an IPv6 one, which is what one customer of a provider has. */
export function addressOf({ remoteAddress = '' }: Pick<Socket, 'remoteAddress'>): string {
  if (!isIPv6(remoteAddress)) return remoteAddress
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress)?.[1]
  if (mapped !== undefined) return mapped
  const [before = '', after] = remoteAddress.replace(/%.*$/, '').split('::')
  const head = before === '' ? [] : before.split(':')
  const tail = after === undefined || after === '' ? [] : after.split(':')
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length
  return [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':')
}
