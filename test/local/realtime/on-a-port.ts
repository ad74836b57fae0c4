import { createServer } from 'node:http'
import type { RealtimeServer } from '../../../src/local/realtime/server.ts'

export interface RealtimeListener {
  /** What supabase-js and realtime-js take for a project's URL. */
  readonly url: string
  close(): Promise<void>
}

/** Puts a Realtime server alone on any free port of 127.0.0.1. Closing leaves the server to its owner. */
export async function listenRealtime(realtime: RealtimeServer): Promise<RealtimeListener> {
  const server = createServer((_request, response) => response.writeHead(404).end())
  server.on('upgrade', (request, socket, head) => realtime.handleUpgrade(request, socket, head))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it listens on no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
