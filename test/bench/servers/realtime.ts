import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { pino } from 'pino'
import { startRealtime } from '../../../src/local/realtime/server.ts'
import { inform } from './channel.ts'

/** A process of its own: the local project's Realtime server. It tells when it sent a row that is watched. */
const realtime = await startRealtime({
  databaseUrl: process.env.BENCH_DATABASE_URL ?? '',
  keys: {
    publishable: 'sb_publishable_bench',
    secret: process.env.BENCH_SECRET_KEY ?? '',
    jwtSecret: 'bench',
  },
  log: pino({ level: 'silent' }),
})
const perSecond = Number(process.env.BENCH_RATE_LIMIT)
if (perSecond > 0) realtime.faults.apply('rate-limit', { perSecond })
const server = createServer()
server.on('upgrade', (incoming, socket, head) => {
  if (process.env.BENCH_WATCH === '1') watch(socket)
  realtime.handleUpgrade(incoming, socket, head)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  inform({ port: typeof address === 'object' ? address?.port : 0 })
})

/** The daemon asks for the id alone, so an event is known by `"record":{"id": …}`. Frames to a client are not masked. */
function watch(socket: Duplex): void {
  const { write } = socket
  const watched = (...args: unknown[]): boolean => {
    const [chunk] = args
    const at = process.hrtime.bigint().toString()
    const text = Buffer.isBuffer(chunk) ? chunk.toString('latin1') : String(chunk)
    const id = text.includes('"INSERT"') ? /"record":\{"id": ?(\d+)/.exec(text)?.[1] : undefined
    if (id !== undefined) inform({ sent: id, at })
    return Reflect.apply(write, socket, args)
  }
  Object.defineProperty(socket, 'write', { value: watched })
}
