import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { z } from 'zod'

export interface ApiCall {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly args: Readonly<Record<string, unknown>>
}

/** A Data API that answers what the test says and keeps what it was asked. Loopback, a free port. */
export interface DataApi extends AsyncDisposable {
  readonly url: string
  readonly calls: ApiCall[]
  /** The next answers, in their order; the last one stays. */
  answer(...answers: readonly Answer[]): void
  /** A call has arrived. */
  asked(): Promise<void>
}

export type Answer =
  | { readonly json: unknown; readonly status?: number }
  | { readonly text: string; readonly status?: number; readonly type?: string }
  /** What a function says to the call, by its name and arguments. */
  | ((name: string, args: ApiCall['args']) => Promise<{ readonly json: unknown; readonly status?: number }>)
  | 'silence'
  | 'half'
  | 'reset'

export async function startDataApi(): Promise<DataApi> {
  const calls: ApiCall[] = []
  let answers: Answer[] = []
  let tell = () => {}
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const args = z.record(z.string(), z.unknown()).parse(JSON.parse(Buffer.concat(chunks).toString() || '{}'))
    calls.push({ method: request.method, path: request.url, headers: request.headers, args })
    const next = (answers.length > 1 ? answers.shift() : answers[0]) ?? { json: null }
    send(response, typeof next === 'function' ? await next(nameOf(request.url), args) : next)
    tell()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    answer: (...next) => {
      answers = [...next]
    },
    asked: () =>
      new Promise(resolve => {
        tell = resolve
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

const nameOf = (url = ''): string => url.slice(url.lastIndexOf('/') + 1)

type Said = Exclude<Answer, (...args: never) => unknown>

function send(response: ServerResponse, answer: Said): void {
  if (answer === 'silence') return
  if (answer === 'reset') {
    response.destroy()
  } else if (answer === 'half') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"a":')
  } else if ('json' in answer) {
    response
      .writeHead(answer.status ?? 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(answer.json))
  } else {
    response.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'text/html' }).end(answer.text)
  }
}
