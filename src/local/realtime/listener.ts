import { createServer } from 'node:http'
import type { RealtimeServer } from './server.ts'

export interface RealtimeListener {
  readonly port: number
  /** What supabase-js and realtime-js take for a project's URL. */
  readonly url: string
  close(): Promise<void>
}

/** Puts a Realtime server alone on a port of 127.0.0.1 (any free one for 0). Closing leaves the server to its owner. */
export async function listenRealtime(realtime: RealtimeServer, port = 0): Promise<RealtimeListener> {
  const server = createServer((_request, response) => response.writeHead(404).end())
  server.on('upgrade', (request, socket, head) => realtime.handleUpgrade(request, socket, head))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port }, resolve)
  })
  const address = server.address()
  const taken = typeof address === 'object' && address !== null ? address.port : port
  return {
    port: taken,
    url: `http://127.0.0.1:${taken}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
