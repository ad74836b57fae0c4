import { createServer, type Socket } from 'node:net'

/**
 * As much of HTTP/1.1 as the clients of this benchmark speak: kept-alive connections, one request after the other,
 * bodies with a Content-Length. A fake that costs a third of node:http's CPU leaves the machine to what is measured.
 */
export interface FakeRequest {
  readonly method: string
  readonly path: string
  /** Empty unless the route wanted it. */
  readonly body: string
}

export interface FakeAnswer {
  readonly status: number
  readonly type: string
  readonly body: string | Buffer
}

export interface FakeRoutes {
  /** Whether the body of that request is to be kept; it is thrown away otherwise. */
  readonly keeps: (method: string, path: string) => boolean
  readonly answer: (request: FakeRequest) => FakeAnswer
  /** Takes the whole connection over, with what it has sent so far, when its first request is not for us. */
  readonly takeOver?: (path: string, socket: Socket, sent: Buffer) => boolean
}

/** Listens on a free port of 127.0.0.1 and answers that port. */
export async function serveFake(routes: FakeRoutes): Promise<number> {
  const server = createServer({ noDelay: true }, socket => serveConnection(socket, routes))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const END_OF_HEAD = Buffer.from('\r\n\r\n')

function serveConnection(socket: Socket, routes: FakeRoutes): void {
  let head: Buffer = Buffer.alloc(0)
  let request: { method: string; path: string } | undefined
  let missing = 0
  let kept: Buffer[] | undefined
  let first = true

  const onData = (chunk: Buffer): void => {
    if (request !== undefined) {
      takeBody(chunk)
      return
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    const end = head.indexOf(END_OF_HEAD)
    if (end < 0) return
    const text = head.toString('latin1', 0, end)
    const [method = '', path = ''] = text.slice(0, text.indexOf('\r\n')).split(' ', 2)
    if (first && routes.takeOver?.(path, socket, head) === true) {
      socket.off('data', onData)
      return
    }
    first = false
    missing = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
    request = { method, path }
    kept = routes.keeps(method, path) ? [] : undefined
    const rest = head.subarray(end + END_OF_HEAD.length)
    head = Buffer.alloc(0)
    takeBody(rest)
  }

  function takeBody(chunk: Buffer): void {
    missing -= chunk.length
    kept?.push(chunk)
    if (missing > 0 || request === undefined) return
    const body = kept === undefined ? '' : Buffer.concat(kept).toString('utf8')
    const answer = routes.answer({ ...request, body })
    request = undefined
    socket.cork()
    socket.write(
      `HTTP/1.1 ${answer.status} X\r\ncontent-type: ${answer.type}\r\ncontent-length: ${Buffer.byteLength(answer.body)}\r\n\r\n`,
      'latin1',
    )
    socket.write(answer.body)
    socket.uncork()
  }

  socket.on('data', onData)
  // A client that is ended in the middle of a transfer resets its connections.
  socket.on('error', () => socket.destroy())
}

export const json = (value: unknown, status = 200): FakeAnswer => ({
  status,
  type: 'application/json',
  body: JSON.stringify(value),
})
