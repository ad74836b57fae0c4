import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { createProxyServer, proxyUpgrade } from 'httpxy'

/**
 * What happens to a request to Storage instead of its ordinary way:
 *
 * | fault           | what the client sees                                                                 |
 * |-----------------|--------------------------------------------------------------------------------------|
 * | `{status,body}` | that answer, early: the body of the request is not waited for                        |
 * | `reset`         | the connection is reset at once                                                      |
 * | `cut`           | some of the body is passed on, then both connections end                             |
 * | `answer lost`   | Storage does what was asked, and the connection is reset in place of its answer      |
 * | a promise       | nothing until it settles, then the ordinary answer                                   |
 */
export type StorageFault =
  | { readonly status: number; readonly body: unknown }
  | 'reset'
  | 'cut'
  | 'answer lost'
  | Promise<unknown>

export interface FaultOptions {
  /** Matched against `POST /object/attachments/1/1-1.jpg`; every request to Storage when left out. */
  readonly on?: RegExp
  /** Requests; until it is lifted when left out. */
  readonly times?: number
}

/** Stands in front of a project: Storage can fail while the database and Realtime go on. */
export interface StorageProxy {
  readonly url: string
  /** Answers how to lift it. The fault added first decides. */
  fail(fault: StorageFault, options?: FaultOptions): () => void
  /**
   * From now on nothing passes to anybody, as if the client were frozen. Answers, as soon as nothing is under way
   * to the database any more, how to thaw it.
   */
  freeze(): Promise<() => void>
  /** Requests to Storage so far, such as `GET /bucket/attachments`. */
  readonly requests: readonly string[]
  /** The most requests to Storage that were under way at once. */
  peak(): number
  /** Resolves when that many requests to Storage match. */
  asked(what: RegExp, count?: number): Promise<void>
  stop(): Promise<void>
}

interface Rule {
  readonly fault: StorageFault
  readonly on: RegExp
  left: number
}

const PREFIX = '/storage/v1'

export async function startStorageProxy(target: string): Promise<StorageProxy> {
  const rules = new Set<Rule>()
  const requests: string[] = []
  const waiting = new Set<() => void>()
  const passing = new Set<Promise<unknown>>()
  let thawed: Promise<void> = Promise.resolve()
  let underWay = 0
  let peak = 0
  const lost = new WeakSet<IncomingMessage>()
  const proxy = createProxyServer({ target })
  proxy.on('error', (_error, incoming) => incoming?.socket.destroy())
  proxy.on('proxyRes', (answer, incoming) => {
    if (!lost.has(incoming)) return
    answer.resume().on('end', () => incoming.socket.resetAndDestroy())
  })

  function take(what: string): StorageFault | undefined {
    for (const rule of rules) {
      if (!rule.on.test(what)) continue
      rule.left--
      if (rule.left === 0) rules.delete(rule)
      return rule.fault
    }
    return undefined
  }

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/'
    if (!path.startsWith(PREFIX)) {
      await thawed
      const answered = once(outgoing, 'close')
      passing.add(answered)
      answered.finally(() => passing.delete(answered))
      return proxy.web(incoming, outgoing)
    }
    const what = `${incoming.method} ${path.slice(PREFIX.length)}`
    const fault = take(what)
    underWay++
    peak = Math.max(peak, underWay)
    outgoing.once('close', () => underWay--)
    requests.push(what)
    for (const look of waiting) look()
    if (fault === undefined) return proxy.web(incoming, outgoing)
    if (fault === 'reset') {
      incoming.socket.resetAndDestroy()
    } else if (fault === 'cut') {
      cut(target, incoming)
    } else if (fault === 'answer lost') {
      lost.add(incoming)
      await proxy.web(incoming, outgoing, { selfHandleResponse: true })
    } else if ('status' in fault) {
      incoming.resume()
      const text = typeof fault.body === 'string'
      outgoing.writeHead(fault.status, { 'content-type': text ? 'text/html' : 'application/json' })
      outgoing.end(text ? fault.body : JSON.stringify(fault.body))
    } else {
      await fault
      await thawed
      await proxy.web(incoming, outgoing)
    }
  }

  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => incoming.socket.destroy())
  })
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (incoming, socket, head) => {
    upgraded.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => upgraded.delete(socket))
    proxyUpgrade(target, incoming, socket, head).catch(() => socket.destroy())
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    freeze: async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      thawed = promise
      await Promise.all(passing)
      return resolve
    },
    requests,
    peak: () => peak,
    fail: (fault, { on = /./, times = Number.POSITIVE_INFINITY } = {}) => {
      const rule = { fault, on, left: times }
      rules.add(rule)
      return () => rules.delete(rule)
    },
    asked: (what, count = 1) =>
      new Promise(resolve => {
        const look = () => {
          if (requests.filter(each => what.test(each)).length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
        for (const socket of upgraded) socket.destroy()
      }),
  }
}

/** Storage itself sees an upload that breaks off: what it makes of that is part of the test. */
function cut(target: string, incoming: IncomingMessage): void {
  const { method, url, headers } = incoming
  const upstream = httpRequest(new URL(url ?? '/', target), { method, headers })
  upstream.on('error', () => {})
  incoming.once('data', (chunk: Buffer) => {
    upstream.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), () => {
      upstream.destroy()
      incoming.socket.destroy()
    })
  })
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return address.port
}
