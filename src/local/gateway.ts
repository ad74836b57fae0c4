import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { createProxyServer } from 'httpxy'
import { request } from 'undici'

/** The one port of the local project, in front of everything that has a hosted address. */
export interface Gateway {
  readonly url: string
  stop(): Promise<void>
}

export interface GatewayRoutes {
  /** `/rest/v1` and `/storage/v1`. */
  readonly api: string
  /** `/functions/v1`, which the platform takes off before the function sees the path. */
  readonly functions: string
  /** `/realtime/v1/websocket`. */
  readonly upgrade: (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void
}

export async function startGateway(port: number, routes: GatewayRoutes): Promise<Gateway> {
  const proxy = createProxyServer({ xfwd: true })
  proxy.on('error', (_error, _incoming, outgoing) => {
    if (outgoing !== undefined && 'writeHead' in outgoing) unavailable(outgoing as ServerResponse)
    else outgoing?.destroy()
  })
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/'
    if (incoming.method === 'POST' && path.startsWith('/storage/v1/object/sign/')) {
      sign(routes.api, incoming, outgoing).catch(() => unavailable(outgoing))
    } else if (/^\/(rest|storage)\/v1(\/|\?|$)/.test(path)) {
      void proxy.web(incoming, outgoing, { target: routes.api })
    } else if (path.startsWith('/functions/v1/')) {
      incoming.url = path.slice('/functions/v1'.length)
      void proxy.web(incoming, outgoing, { target: routes.functions })
    } else {
      answer(outgoing, 404, { message: 'no Route matched with those values' })
    }
  })
  server.on('upgrade', (incoming, socket, head) => {
    if (incoming.url?.startsWith('/realtime/v1/websocket')) routes.upgrade(incoming, socket, head)
    else socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, resolve)
  })
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/**
 * @supabase/lite 0.10.0 answers `{"signedUrl":"/storage/v1/object/sign/…"}` where the hosted Storage answers
 * `{"signedURL":"/object/sign/…"}`, which is what storage-js reads.
 */
async function sign(api: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const {
    host: _host,
    connection: _connection,
    'transfer-encoding': _encoding,
    ...headers
  } = incoming.headers
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const { statusCode, body } = await request(`${api}${incoming.url}`, {
    method: 'POST',
    headers,
    body: Buffer.concat(chunks),
  })
  answer(outgoing, statusCode, translateSigned(await body.json()))
}

function translateSigned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(translateSigned)
  if (typeof value !== 'object' || value === null || !('signedUrl' in value)) return value
  const { signedUrl, ...rest } = value
  return { ...rest, signedURL: String(signedUrl).replace(/^\/storage\/v1/, '') }
}

function unavailable(outgoing: ServerResponse): void {
  if (outgoing.headersSent) outgoing.destroy()
  else answer(outgoing, 503, { message: 'name resolution failed' })
}

function answer(outgoing: ServerResponse, status: number, body: unknown): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify(body))
}
