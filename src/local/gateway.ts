import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  ServerResponse,
} from 'node:http'
import type { Duplex } from 'node:stream'
import { createProxyServer } from 'httpxy'
import { list } from './listing.ts'
import { objectInfo } from './object-info.ts'
import { sign } from './signing.ts'

/** The one port of the local project, in front of everything that has a hosted address. */
export interface Gateway {
  readonly url: string
  stop(): Promise<void>
}

export interface GatewayRoutes {
  /** `/rest/v1` and `/storage/v1`. */
  readonly api: string
  /**
   * The function at `/functions/v1/<name>`; the platform takes `/functions/v1` off before it sees the path.
   * Undefined while it does not run.
   */
  readonly webhook: () => string | undefined
  /** `/realtime/v1/websocket`. */
  readonly upgrade: (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** Where a request goes: to a server, to where its answer is mended, or nowhere, with the hosted gateway's answer. */
type Route =
  | { readonly target: string }
  | { readonly mended: typeof sign }
  | { readonly status: number; readonly body: unknown }

const WEBHOOK = 'whatsapp-webhook'

/** Listens on that port of 127.0.0.1. A body streams through in both directions and is never held whole. */
export async function startGateway(port: number, routes: GatewayRoutes): Promise<Gateway> {
  // An idle connection is given up after a second. Node's servers do so after five, and one that is used again in
  // just that moment (a busy machine is late by more than the second that Node leaves between) would be a 503.
  const proxy = createProxyServer({ xfwd: true, agent: new Agent({ keepAlive: true, timeout: 1000 }) })
  proxy.on('error', (_error, _incoming, outgoing) => {
    if (outgoing instanceof ServerResponse) unavailable(outgoing)
    else outgoing?.destroy()
  })
  // The package passes them on; they belong to one connection, and ours to the client is not the one behind.
  proxy.on('proxyRes', ({ headers }) => dropHopByHop(headers))
  const server = createServer((incoming, outgoing) => {
    const close = incoming.headers.connection?.toLowerCase() === 'close'
    dropHopByHop(incoming.headers)
    // The package takes from here whether the client's connection ends with the answer.
    if (close) incoming.headers.connection = 'close'
    const route = routeOf(incoming, routes)
    if ('mended' in route) {
      route.mended(routes.api, incoming).then(
        ({ status, body }) => answer(outgoing, status, body),
        () => unavailable(outgoing),
      )
    } else if ('target' in route) void proxy.web(incoming, outgoing, { target: route.target })
    else answer(outgoing, route.status, route.body)
  })
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (incoming, socket, head) => {
    socket.on('error', () => socket.destroy())
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    if (pathOf(incoming) === '/realtime/v1/websocket') routes.upgrade(incoming, socket, head)
    else socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
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
        // The server counts these among its own, but no longer closes them.
        for (const socket of upgraded) socket.destroy()
      }),
  }
}

function routeOf(incoming: IncomingMessage, { api, webhook }: GatewayRoutes): Route {
  const path = pathOf(incoming)
  if (incoming.method === 'POST' && path.startsWith('/storage/v1/object/sign/')) return { mended: sign }
  if (incoming.method === 'POST' && path.startsWith('/storage/v1/object/list/')) return { mended: list }
  if (incoming.method === 'GET' && path.startsWith('/storage/v1/object/info/')) return { mended: objectInfo }
  if (/^\/(rest|storage)\/v1(\/|$)/.test(path)) return { target: api }
  const name = /^\/functions\/v1\/([^/]+)/.exec(path)?.[1]
  if (name === undefined) return { status: 404, body: { message: 'no Route matched with those values' } }
  if (name !== WEBHOOK) {
    return { status: 404, body: { code: 'NOT_FOUND', message: 'Requested function was not found' } }
  }
  incoming.url = incoming.url?.slice('/functions/v1'.length) ?? '/'
  const target = webhook()
  return target === undefined ? UNAVAILABLE : { target }
}

const pathOf = (incoming: IncomingMessage): string => incoming.url?.split('?', 1)[0] ?? '/'

/** RFC 9110 section 7.6.1. How the body is framed is left to the HTTP client, which needs to know. */
const HOP_BY_HOP = ['keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'upgrade']

function dropHopByHop(headers: IncomingHttpHeaders): void {
  const named = headers.connection?.split(',').map(name => name.trim().toLowerCase()) ?? []
  for (const name of [...HOP_BY_HOP, ...named, 'connection']) delete headers[name]
}

/** What the hosted gateway answers when the server behind it is not there. */
const UNAVAILABLE = { status: 503, body: { message: 'name resolution failed' } }

function unavailable(outgoing: ServerResponse): void {
  if (outgoing.headersSent) outgoing.destroy()
  else answer(outgoing, UNAVAILABLE.status, UNAVAILABLE.body)
}

function answer(outgoing: ServerResponse, status: number, body: unknown): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify(body))
}
