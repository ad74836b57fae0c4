import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { H3, type H3Event, HTTPError } from 'h3'
import { toNodeHandler } from 'h3/node'
import { describeError, UserError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Access, FORM, jsonIn, tokenIn } from './access.ts'
import type { Assets } from './assets.ts'
import { needOwnPage, refuseForeign } from './guard.ts'
import { Refusal } from './refusal.ts'
import type { Route } from './routes.ts'

export interface ServerOptions {
  /** OPS_HOST and OPS_PORT; port 0 takes a free one. */
  readonly host: string
  readonly port: number
  readonly access: Access
  readonly assets: Assets
  readonly api: readonly Route[]
  readonly openapi: unknown
  /** With reasons only for who may know them. */
  readonly ready: (withReasons: boolean) => { readonly status: number; readonly body: unknown }
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
  readonly headers: Readonly<Record<string, string>>
  readonly log: Log
  /** Milliseconds in which a connection may carry nothing in either direction. */
  readonly idleMs?: number
}

export interface OpenServer {
  readonly url: string
  /** Streams must have been ended before. Whatever else is under way has a second. */
  close(): Promise<void>
}

const LONGEST_BODY = 16 * 1024
const MOST_CONNECTIONS = 200
const CLOSE_GRACE_MS = 1000
/**
 * Streams say something every 15 seconds, and the database has 15 for an answer; retrying very many goes on without
 * its connection. Whoever asks and never reads is let go, or two hundred of them would be all the connections there are.
 */
const IDLE_MS = 120_000

/** Throws a UserError when the port cannot be had. */
export async function openServer(options: ServerOptions): Promise<OpenServer> {
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      keepAliveTimeout: 10_000,
      connectionsCheckingInterval: 5000,
    },
    toNodeHandler(appOf(options)),
  )
  server.maxConnections = MOST_CONNECTIONS
  server.timeout = options.idleMs ?? IDLE_MS
  const port = await listen(server, options)
  return {
    url: `http://${shownHost(options.host)}:${port}`,
    close: () =>
      new Promise(resolve => {
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
        server.close(() => {
          clearTimeout(cut)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

function appOf(options: ServerOptions): H3 {
  const { access, assets, api, host, log } = options
  const app = new H3({
    silent: true,
    onResponse: response => {
      for (const [name, value] of Object.entries(options.headers)) response.headers.set(name, value)
      if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store')
    },
    onError: error => errorAnswer(error, log),
  })

  app.use(event => {
    const asked = askedBy(event)
    refuseForeign(host, asked)
    const proof = access.proofOf(asked.header)
    if (event.req.method !== 'GET' && event.req.method !== 'HEAD') needOwnPage(asked, proof === 'bearer')
    if (access.needed && proof === null && !isPublic(event.url.pathname)) {
      throw new Refusal(401, 'This server wants its token.', 'Log in, or send OPS_TOKEN as a bearer token.', {
        'www-authenticate': 'Bearer realm="mediaferry"',
      })
    }
  })

  app.get('/livez', () => new Response('ok\n', { headers: { 'content-type': 'text/plain; charset=utf-8' } }))
  app.get('/readyz', event => {
    const { status, body } = options.ready(!access.needed || access.proofOf(askedBy(event).header) !== null)
    return Response.json(body, { status })
  })
  app.get('/metrics', async () => {
    const { type, text } = await options.metrics()
    return new Response(text, { headers: { 'content-type': type } })
  })
  app.post('/login', async event => {
    const type = contentType(event)
    const overTls = event.req.headers.get('origin')?.startsWith('https:') ?? false
    const cookie = access.logIn(tokenIn(type, await bodyText(event, ['application/json', FORM])), overTls)
    return type === FORM
      ? seeOther('/', cookie)
      : new Response(null, { status: 204, headers: { 'set-cookie': cookie } })
  })
  app.post('/logout', async event => {
    await bodyText(event, ['application/json', FORM])
    const cookie = access.logOut(name => event.req.headers.get(name))
    return contentType(event) === FORM
      ? seeOther('/', cookie)
      : new Response(null, { status: 204, headers: { 'set-cookie': cookie } })
  })
  app.get('/api/openapi.json', () => Response.json(options.openapi))
  for (const route of api)
    app.on(route.method, route.path.replaceAll('{id}', ':id'), event => handle(route, event))
  app.get('/', event => assetAnswer(assets, '/', event))
  app.get('/dashboard/**', event => assetAnswer(assets, event.url.pathname, event))
  app.all('/**', event => {
    throw nothingThere(event.url.pathname)
  })
  return app
}

/** Code and nothing else; whether the daemon is well, in a word. */
const isPublic = (path: string): boolean =>
  path === '/' ||
  path === '/livez' ||
  path === '/readyz' ||
  path === '/login' ||
  path.startsWith('/dashboard/')

const askedBy = ({ req, url }: H3Event) => ({
  method: req.method,
  path: url.pathname,
  header: (name: string) => req.headers.get(name),
})

async function handle(route: Route, event: H3Event): Promise<Response> {
  const body =
    route.method === 'POST' ? jsonIn((await bodyText(event, ['application/json'])) || '{}') : undefined
  const answer = await route.handle({ id: idOf(event), query: event.url.searchParams, body })
  return answer instanceof Response ? answer : Response.json(answer)
}

function idOf({ context, url }: H3Event): number {
  const text = context.params?.id
  if (text === undefined) return 0
  const id = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(id)) return id
  throw nothingThere(url.pathname)
}

const contentType = (event: H3Event): string =>
  event.req.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? ''

/** The whole body, when it is of a type that is taken and not too long. */
async function bodyText(event: H3Event, types: readonly string[]): Promise<string> {
  if (!types.includes(contentType(event))) {
    throw new Refusal(415, `The body must be ${types[0]}.`, `Send it with content-type: ${types[0]}.`)
  }
  const tooLong = () => new Refusal(413, 'The body is too long.', `It may have ${LONGEST_BODY} bytes.`)
  if (Number(event.req.headers.get('content-length') ?? 0) > LONGEST_BODY) throw tooLong()
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of event.req.body ?? []) {
    length += chunk.length
    if (length > LONGEST_BODY) throw tooLong()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function assetAnswer(assets: Assets, path: string, event: H3Event): Response {
  const found = assets.get(path)
  if (found === undefined) throw nothingThere(path)
  const headers = { 'content-type': found.type, 'cache-control': 'no-cache', etag: found.etag }
  if (event.req.headers.get('if-none-match') === found.etag)
    return new Response(null, { status: 304, headers })
  return new Response(new Uint8Array(found.body), { headers })
}

const seeOther = (location: string, cookie: string): Response =>
  new Response(null, { status: 303, headers: { location, 'set-cookie': cookie } })

const nothingThere = (path: string): Refusal =>
  new Refusal(404, `There is nothing at ${path.slice(0, 200)}.`, 'GET /api/openapi.json lists what there is.')

function errorAnswer(error: HTTPError, log: Log): Response {
  const reason = error.unhandled === true ? error.cause : error
  if (reason instanceof Refusal) return refusal(reason.status, reason.message, reason.hint, reason.headers)
  if (HTTPError.isError(reason) && reason.status < 500) {
    return refusal(reason.status, describeError(reason), 'GET /api/openapi.json says what is expected.', {})
  }
  log.warn({ err: reason }, 'a request could not be answered')
  return refusal(
    503,
    describeError(reason),
    'It may pass by itself; GET /readyz says what is out of order.',
    {},
  )
}

const refusal = (
  status: number,
  error: string,
  hint: string,
  headers: Readonly<Record<string, string>>,
): Response => Response.json({ error, hint }, { status, headers })

function listen(server: Server, { host, port, log }: ServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const refused = (cause: Error) => reject(cannotListen(host, port, cause))
    server.once('error', refused)
    server.listen(port, host.replace(/^\[|\]$/g, ''), () => {
      server.off('error', refused)
      server.on('error', err => log.warn({ err }, 'the ops server could not take a connection'))
      const address: AddressInfo | string | null = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function cannotListen(host: string, port: number, cause: Error): UserError {
  const code = 'code' in cause ? cause.code : undefined
  if (code === 'EADDRINUSE') {
    return new UserError(`Port ${port} of ${host} is taken by another program.`, {
      hint: 'Set OPS_PORT to a free port: every daemon on one machine needs one of its own, and a STATE_FILE of its own.',
      cause,
    })
  }
  if (code === 'EACCES') {
    return new UserError(`Port ${port} may not be used by this user.`, {
      hint: 'Set OPS_PORT above 1023.',
      cause,
    })
  }
  return new UserError(`OPS_HOST ${host} cannot be listened on: ${describeError(cause)}`, {
    hint: 'Set OPS_HOST to an address of this machine, 127.0.0.1 or 0.0.0.0.',
    cause,
  })
}

function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
