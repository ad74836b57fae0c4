import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Claim } from '../../src/attachment.ts'
import { createTransfer, type Transfer, type TransferConfig } from '../../src/transfer/index.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface TestServer {
  readonly url: string
  readonly port: number
  /** Connections that are open at this moment. */
  readonly sockets: ReadonlySet<Socket>
  handle: Handler
}

/** An http server on a free loopback port that ends, with all its connections, when the test does. */
export async function serve(t: TestContext, handle: Handler): Promise<TestServer> {
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => own.handle(request, response))
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const own: TestServer = { url: `http://127.0.0.1:${port}`, port, sockets, handle }
  t.after(() => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  return own
}

/** A server whose answers have no end; `ended` resolves when the connection of the last one is closed. */
export async function serveEndlessly(t: TestContext) {
  let closed: Promise<unknown> | undefined
  const server = await serve(t, (request, response) => {
    closed = new Promise(resolve => request.socket.once('close', resolve))
    const more = () => {
      while (response.write(Buffer.alloc(60_000, 0x61)));
    }
    response.on('drain', more)
    more()
  })
  return { server, ended: async () => void (await closed) }
}

export function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** A JPEG by its first bytes, and noise. */
export function jpeg(size: number): Buffer {
  const bytes = randomBytes(size)
  Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 0x4a, 0x46, 0x49, 0x46, 0]).copy(bytes)
  return bytes
}

export const TOKEN = 'test-access-token-7f3a'
export const KEY = 'sb_secret_0123456789abcdefghijklmnop'

/** Graph and media host in one server: `/v25.0/<id>` and `/media`. */
export interface FakeMeta extends TestServer {
  /** What the media endpoint answers beside its url. */
  facts: Record<string, unknown>
  /** How the media host answers. */
  download: Handler
  /** How it answers at its bare address, which is not among what was asked. */
  knock: Handler
  readonly asked: {
    method: string
    url: string
    authorization: string | undefined
    agent: string | undefined
  }[]
}

export async function fakeMeta(t: TestContext, bytes: Buffer): Promise<FakeMeta> {
  const asked: FakeMeta['asked'] = []
  const server = await serve(t, (request, response) => {
    if (request.url === '/') return meta.knock(request, response)
    const { authorization, 'user-agent': agent } = request.headers
    asked.push({ method: request.method ?? '', url: request.url ?? '', authorization, agent })
    if (request.url?.startsWith('/media')) return meta.download(request, response)
    json(response, 200, {
      messaging_product: 'whatsapp',
      id: '77',
      url: `${server.url}/media?ext=1`,
      ...meta.facts,
    })
  })
  const meta: FakeMeta = Object.assign(server, {
    asked,
    knock: (_request: IncomingMessage, response: ServerResponse) => response.writeHead(404).end(),
    facts: { mime_type: 'image/jpeg', sha256: sha256(bytes), file_size: bytes.length },
    download: (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': bytes.length })
      response.end(bytes)
    },
  })
  return meta
}

export interface FakeStorage extends TestServer {
  readonly objects: Map<string, { bytes: Buffer; type: string }>
  /** Every request's method and path, in order. */
  readonly asked: string[]
  readonly headers: IncomingMessage['headers'][]
  /** Returns true when it has answered the request itself. */
  before: (request: IncomingMessage, response: ServerResponse) => boolean
}

const MISSING = { statusCode: '404', error: 'not_found', message: 'Object not found', code: 'NoSuchKey' }

/** Storage as supabase/storage 1.11.2 answers: nearly always 400 on the wire, the class in the body. */
export async function fakeStorage(t: TestContext): Promise<FakeStorage> {
  const objects: FakeStorage['objects'] = new Map()
  const asked: string[] = []
  const headers: FakeStorage['headers'] = []
  const server = await serve(t, (request, response) => {
    const path = (request.url ?? '').replace('/storage/v1', '')
    asked.push(`${request.method} ${path}`)
    headers.push(request.headers)
    if (!storage.before(request, response)) answer(request, response, path, objects)
  })
  const storage: FakeStorage = Object.assign(server, { objects, asked, headers, before: () => false })
  return storage
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  objects: FakeStorage['objects'],
): void {
  const chunks: Buffer[] = []
  request.on('error', () => {})
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const [, route = '', rest = ''] =
      /^\/(object\/info|object\/list|object\/move|object\/sign|object|bucket)\/?(.*)$/.exec(path) ?? []
    const object = objects.get(rest)
    switch (`${request.method} ${route}`) {
      case 'GET bucket':
        return json(response, 200, { id: rest, name: rest })
      case 'GET object/info':
        if (object === undefined) return json(response, 400, MISSING)
        return json(response, 200, { size: object.bytes.length, content_type: object.type })
      case 'GET object':
        if (object === undefined) return json(response, 400, MISSING)
        response.writeHead(200, { 'content-type': object.type })
        response.end(object.bytes)
        return
      case 'POST object':
        if (object !== undefined) {
          const said = { statusCode: '409', error: 'Duplicate', message: 'The resource already exists' }
          return json(response, 400, { ...said, code: 'KeyAlreadyExists' })
        }
        objects.set(rest, { bytes: body, type: request.headers['content-type'] ?? '' })
        return json(response, 200, { Key: rest, Id: 'e2f0' })
      case 'POST object/list': {
        const { prefix, search } = JSON.parse(body.toString())
        const start = `${rest}/${prefix}/`
        const names = [...objects.keys()].filter(key => key.startsWith(start + search))
        return json(
          response,
          200,
          names.map(key => ({
            id: 'x',
            name: key.slice(start.length),
            created_at: '2026-11-22T00:00:00.000Z',
            metadata: { size: objects.get(key)?.bytes.length },
          })),
        )
      }
      case 'POST object/sign': {
        if (object === undefined) return json(response, 400, MISSING)
        const { expiresIn } = JSON.parse(body.toString())
        return json(response, 200, { signedURL: `/object/sign/${rest}?token=t.${expiresIn}` })
      }
      case 'POST object/move': {
        const { bucketId, sourceKey, destinationKey } = JSON.parse(body.toString())
        const source = objects.get(`${bucketId}/${sourceKey}`)
        if (source === undefined) return json(response, 400, MISSING)
        objects.delete(`${bucketId}/${sourceKey}`)
        objects.set(`${bucketId}/${destinationKey}`, source)
        return json(response, 200, { message: 'Successfully moved' })
      }
      case 'DELETE object': {
        const { prefixes } = JSON.parse(body.toString())
        for (const key of prefixes) objects.delete(`${rest}/${key}`)
        return json(response, 200, [])
      }
      default:
        return json(response, 404, { message: 'Route not found' })
    }
  })
}

export function claimOf(changes: Partial<Claim> = {}): Claim {
  return {
    id: 41,
    claimToken: 1,
    leadId: 5,
    messageId: 'wamid.1',
    mediaId: '77',
    phoneNumberId: '106540352242922',
    kind: 'image',
    fileName: null,
    declaredMimeType: 'image/jpeg',
    declaredSha256: null,
    expiresAt: '2026-11-29T00:00:00Z',
    uploadAttempts: 0,
    maxAttempts: 5,
    lostLeases: 0,
    bucket: 'attachments',
    objectPrefix: '5',
    createdAt: '2026-11-22T00:00:00Z',
    dueAt: '2026-11-22T00:00:00Z',
    ...changes,
  }
}

/** For a transfer that is given connections of its own: nothing is asked at these addresses. */
export const FAR_AWAY: TransferConfig = {
  graphUrl: 'https://graph.facebook.com',
  graphVersion: 'v25.0',
  accessToken: TOKEN,
  mediaHosts: ['graph.facebook.com'],
  supabaseUrl: 'https://nowhere.invalid',
  supabaseKey: KEY,
  bucket: 'attachments',
  maxFileSize: 100 * 2 ** 20,
  concurrency: 1,
  version: '0.0.0',
}

/** A transfer between these two servers, closed when the test ends. */
export function transferBetween(
  t: TestContext,
  meta: TestServer,
  storage: TestServer,
  changes: Partial<TransferConfig> = {},
): Transfer {
  const transfer = createTransfer({
    graphUrl: meta.url,
    graphVersion: 'v25.0',
    accessToken: TOKEN,
    mediaHosts: ['*.fbsbx.com'],
    supabaseUrl: storage.url,
    supabaseKey: KEY,
    bucket: 'attachments',
    maxFileSize: 100 * 2 ** 20,
    concurrency: 4,
    version: '0.0.0-test',
    ...changes,
  })
  t.after(() => transfer.close())
  return transfer
}

/** The signal of a caller who never gives up. */
export const patient = (): AbortSignal => new AbortController().signal
