import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { freePort } from '../ports.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** An HTTP server on 127.0.0.1 that can also play dead. */
export interface LoopbackServer {
  /** `http://127.0.0.1:<port>`, the same for life. */
  readonly url: string
  readonly port: number
  /** Closes the port and all connections: from now on connections are refused. */
  refuse(): Promise<void>
  /** Listens on the same port again. */
  accept(): Promise<void>
  /** For good; a second call does nothing. */
  stop(): Promise<void>
}

/** Listens on the preferred port, or on a free one when it is taken or 0. */
export async function serveLoopback(handler: Handler, preferredPort = 0): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    Promise.resolve()
      .then(() => handler(request, response))
      .catch(error => failRequest(response, error))
  })

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
        server.off('error', reject)
        resolve()
      })
    })

  const close = () =>
    new Promise<void>(resolve => {
      if (!server.listening) return resolve()
      server.close(() => resolve())
      server.closeAllConnections()
    })

  const port = await freePort(preferredPort)
  await listen(port)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    refuse: close,
    accept: async () => {
      if (!server.listening) await listen(port)
    },
    stop: close,
  }
}

/** A fault of the simulator itself must not look like one that somebody switched on. */
function failRequest(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(500, { 'content-type': 'text/plain', 'x-simulator-error': 'true' })
  response.end(`the simulator failed: ${error instanceof Error ? error.message : String(error)}\n`)
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json; charset=UTF-8',
    'content-length': String(text.length),
  })
  response.end(text)
}

const ERROR_PAGE =
  '<!DOCTYPE html>\n<html lang="en"><head><title>Error</title></head>' +
  '<body><h1>Sorry, something went wrong.</h1><p>Please try again later.</p></body></html>\n'

export function answerHtml(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    ...headers,
    'content-type': 'text/html; charset=utf-8',
    'content-length': String(Buffer.byteLength(ERROR_PAGE)),
  })
  response.end(ERROR_PAGE)
}

/** The bearer token of a request, or null. */
export function bearerOf(request: IncomingMessage): string | null {
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null
}

/** Path and query; the host part is of no account here. */
export function targetOf(request: IncomingMessage): URL {
  return new URL(request.url ?? '/', 'http://loopback')
}
