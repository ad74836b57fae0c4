import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'

/**
 * A reverse proxy of the test's own, in front of a project or a simulator. It holds, swallows or refuses what
 * passes, so that a test can end a daemon between two steps and the product needs no hook for it.
 */
export interface Proxy {
  readonly url: string
  /** The next request that begins so (`POST /rest/v1/`) is passed on only when it is released. */
  holdRequest(beginning: string): Held
  /** The next request that begins so is carried out, and its answer goes back only when it is released. */
  holdAnswer(beginning: string): Held
  /** Settles when that many bytes of the body of the next request that begins so have passed. */
  passed(beginning: string, bytes: number): Promise<void>
  /** Ends every connection that asks for such a path, until `passAll`; settles with the first that was. */
  refuse(path: string): Promise<void>
  /** Nothing is refused, and nothing held that has not come yet. */
  passAll(): void
  stop(): Promise<void>
}

export interface Held {
  /** The request has come; with `holdAnswer` the server has carried it out too. */
  readonly arrived: Promise<void>
  release(): void
  /** It is never passed on: the connection ends instead. */
  drop(): void
}

type Stage = 'request' | 'answer'

interface Hold {
  readonly stage: Stage
  readonly beginning: string
  readonly arrived: () => void
  /** False when it was dropped. */
  readonly released: Promise<boolean>
}

interface Watch {
  readonly beginning: string
  readonly bytes: number
  readonly tell: () => void
}

export async function startProxy(target: string): Promise<Proxy> {
  const origin = new URL(target)
  const holds: Hold[] = []
  const watches: Watch[] = []
  const refused = new Map<string, () => void>()
  const sockets = new Set<Duplex>()
  const keep = (socket: Duplex) => {
    sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
  }

  const isRefused = (path: string): boolean => {
    for (const [beginning, tell] of refused) {
      if (!path.startsWith(beginning)) continue
      tell()
      return true
    }
    return false
  }

  async function pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = incoming.url ?? ''
    const end = () => void incoming.socket.destroy()
    if (isRefused(path)) return end()
    const { method = 'GET' } = incoming
    const hold = takeFirst(holds, `${method} ${path}`)
    if (hold?.stage === 'request') {
      hold.arrived()
      if (!(await hold.released)) return end()
    }
    const { host } = origin
    const outgoing = request(new URL(path, origin), {
      agent: false,
      headers: { ...incoming.headers, host },
      method,
    })
    outgoing.on('error', end)
    response.once('close', () => {
      if (!response.writableFinished) outgoing.destroy()
    })
    countBytes(incoming, takeFirst(watches, `${method} ${path}`))
    incoming.pipe(outgoing)
    outgoing.once('response', answer => {
      const back = hold?.stage === 'answer' ? heldBack(answer, hold) : Promise.resolve(answer)
      back.then(body => {
        if (body === null) return end()
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        if (Buffer.isBuffer(body)) response.end(body)
        else body.pipe(response)
      }, end)
    })
  }

  const server = createServer((incoming, response) => void pass(incoming, response))
  server.on('connection', keep)
  server.on('upgrade', (incoming, socket, head) => {
    if (isRefused(incoming.url ?? '')) return void socket.destroy()
    const upstream = connect(Number(origin.port), origin.hostname)
    keep(upstream)
    const lines = [`GET ${incoming.url} HTTP/1.1`]
    for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
      lines.push(`${incoming.rawHeaders[at]}: ${incoming.rawHeaders[at + 1]}`)
    }
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`)
    upstream.write(head)
    upstream.pipe(socket).pipe(upstream)
    socket.once('close', () => upstream.destroy())
    upstream.once('close', () => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0

  function hold(stage: Stage, beginning: string): Held {
    const arrived = Promise.withResolvers<void>()
    const released = Promise.withResolvers<boolean>()
    holds.push({ stage, beginning, arrived: arrived.resolve, released: released.promise })
    return {
      arrived: arrived.promise,
      release: () => released.resolve(true),
      drop: () => released.resolve(false),
    }
  }

  return {
    url: `http://127.0.0.1:${port}`,
    holdRequest: beginning => hold('request', beginning),
    holdAnswer: beginning => hold('answer', beginning),
    passed: (beginning, bytes) => new Promise(tell => watches.push({ beginning, bytes, tell })),
    refuse: path => new Promise(tell => refused.set(path, tell)),
    passAll: () => {
      refused.clear()
      holds.length = 0
      watches.length = 0
    },
    stop: async () => {
      const closed = new Promise(resolve => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function takeFirst<T extends { readonly beginning: string }>(list: T[], line: string): T | undefined {
  const at = list.findIndex(({ beginning }) => line.startsWith(beginning))
  return at < 0 ? undefined : list.splice(at, 1)[0]
}

/** The whole answer is read first: then the server is done, whatever becomes of the one who asked. */
async function heldBack(answer: IncomingMessage, hold: Hold): Promise<Buffer | null> {
  const body = await buffer(answer)
  hold.arrived()
  return (await hold.released) ? body : null
}

function countBytes(incoming: IncomingMessage, watch: Watch | undefined): void {
  if (watch === undefined) return
  let passed = 0
  const look = () => {
    if (passed >= watch.bytes) watch.tell()
  }
  incoming.on('data', chunk => {
    passed += chunk.length
    look()
  })
  look()
}
