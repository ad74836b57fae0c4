import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Clock, later } from './clock.ts'
import { serialization, type Vsn } from './protocol.ts'
import { type Claims, connectRefusal, isRefusal, type RealtimeKeys, readToken } from './tokens.ts'

export interface UpgradeOptions {
  readonly keys: RealtimeKeys
  readonly clock: Clock
  /** A wrong key is answered that much later. */
  readonly badKeyMs: number
  /** `wire` is what the websocket writes to. */
  accepted(socket: WebSocket, wire: Duplex, vsn: Vsn, claims: Claims): void
}

export interface Upgrades {
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void
  close(): void
}

/**
 * Turns an HTTP upgrade into a websocket: 401 for a key that is not known, 403 for a `vsn` other than 1.0.0
 * and 2.0.0, 404 for another path than `…/websocket`.
 */
export function createUpgrades({ keys, clock, badKeyMs, accepted }: UpgradeOptions): Upgrades {
  const server = new WebSocketServer({ noServer: true })
  return {
    handle(request, socket, head) {
      const url = new URL(request.url ?? '/', 'http://localhost')
      if (!url.pathname.endsWith('/websocket')) return refuse(socket, 404, { error: 'Not found' })
      const claims = readToken(keys, url.searchParams.get('apikey') ?? '', clock.now())
      if (isRefusal(claims)) {
        const body = { error: connectRefusal(claims) }
        later(clock, badKeyMs, () => refuse(socket, 401, body))
        return
      }
      const vsn = serialization(url.searchParams.get('vsn'))
      if (vsn === undefined) return refuse(socket, 403)
      server.handleUpgrade(request, socket, head, accept => accepted(accept, socket, vsn, claims))
    },
    close: () => server.close(),
  }
}

function refuse(socket: Duplex, status: number, body?: object): void {
  const text = body === undefined ? '' : JSON.stringify(body)
  const headers = {
    'cache-control': 'max-age=0, private, must-revalidate',
    'content-length': Buffer.byteLength(text),
    ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    date: new Date().toUTCString(),
    vary: 'accept-encoding',
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', text].join('\r\n'))
}
