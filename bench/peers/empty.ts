/** The least that a Fastify route can do with the same body: parse it and say 202. */
import { fastify } from 'fastify'

const app = fastify({ logger: false })
app.post('/v1/records', (_request, reply) => {
  reply.code(202).send({ accepted: 1 })
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.on('message', ({ type }: { type: string }) => {
  if (type === 'close') void app.close().then(() => process.exit(0))
})
process.on('disconnect', () => process.exit(0))
process.send?.({ type: 'ready', url })
