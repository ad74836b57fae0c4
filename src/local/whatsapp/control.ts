import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { describeError } from '../../errors.ts'
import { sampleOf } from '../samples/index.ts'
import { fromFile, generated } from '../samples/source.ts'
import type { FaultBoard } from './fault-board.ts'
import { faultRule } from './faults.ts'
import type { SimulatedToken } from './graph.ts'
import { answerJson, type LoopbackServer, targetOf } from './loopback-server.ts'
import type { MediaItem, MediaShelf } from './media-shelf.ts'
import type { RequestCounts } from './request-counts.ts'

export interface ControlParts {
  readonly token: SimulatedToken
  readonly shelf: MediaShelf
  readonly faults: FaultBoard
  readonly requests: RequestCounts
  /** The hosts that can be made to refuse connections, and where everything is. */
  readonly servers: () => Readonly<Record<'graph' | 'media', LoopbackServer>>
  readonly urls: () => Readonly<Record<'graphUrl' | 'mediaUrl' | 'elsewhereUrl', string>>
}

const sample = z.enum(['image', 'video', 'audio', 'document', 'sticker'])
const newMedia = z.union([
  z.strictObject({ file: z.string(), mimeType: z.string(), id: z.string().optional() }),
  z.strictObject({
    seed: z.string(),
    size: z.int().nonnegative(),
    mimeType: z.string(),
    id: z.string().optional(),
  }),
  z.strictObject({ sample, id: z.string().optional() }),
])
const hosts = z.strictObject({
  graph: z.enum(['refuse', 'accept']).optional(),
  media: z.enum(['refuse', 'accept']).optional(),
})
const newToken = z.strictObject({ value: z.string().optional(), expiresAt: z.int().nonnegative().optional() })

const PREFIX = '/_simulator/'
const BODY_LIMIT = 64 * 1024

/**
 * The door by which other processes switch the simulator, JSON in and out. It is on the Graph URL and on the
 * elsewhere URL; only the second is always open, so that is where to make Graph refuse connections.
 *
 * | request                            | body                                                    | answer |
 * |------------------------------------|---------------------------------------------------------|--------|
 * | `POST /_simulator/media`           | `{file,mimeType}`, `{seed,size,mimeType}` or `{sample}`, each with `id?` | 201 `{id,mimeType,size,sha256}` |
 * | `DELETE /_simulator/media/{id}`    |                                                         | 204, or 404 |
 * | `POST /_simulator/faults`          | a rule as in faults.ts, such as `{"on":"media","fault":"cut","afterBytes":1000,"times":1}` | 201 `{id}` |
 * | `DELETE /_simulator/faults[/{id}]` |                                                         | 204 |
 * | `POST /_simulator/hosts`           | `{"graph"?:"refuse"\|"accept","media"?:…}`               | 204 |
 * | `POST /_simulator/token`           | `{value?,expiresAt?}`: another token, unix seconds of its end (0: never) | 204 |
 * | `GET /_simulator/state`            |                                                         | 200 `{graphUrl,mediaUrl,elsewhereUrl,token:{expiresAt},faults,requests,media}` |
 *
 * `file` is an absolute path on this machine. 400 `{error}` for a body that makes no sense. A web page cannot
 * use the door: bodies must come as application/json, which makes a browser ask first, and the Host header
 * must name loopback, which a rebound name does not.
 */
export function controlDoor(parts: ControlParts) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const { pathname } = targetOf(request)
    if (!pathname.startsWith(PREFIX)) return false
    if (!fromHere(request)) {
      answerJson(response, 403, { error: 'the control door answers to 127.0.0.1 and localhost, in JSON' })
      return true
    }
    const [subject = '', id] = pathname.slice(PREFIX.length).split('/').map(decodeURIComponent)
    try {
      await handle(parts, `${request.method} ${subject}`, id, request, response)
    } catch (error) {
      const text = error instanceof z.ZodError ? z.prettifyError(error) : describeError(error)
      answerJson(response, 400, { error: text })
    }
    return true
  }
}

async function handle(
  parts: ControlParts,
  what: string,
  id: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { faults, shelf, token } = parts
  switch (what) {
    case 'POST media':
      return answerJson(response, 201, tellItem(await addMedia(shelf, await readJson(request))))
    case 'DELETE media':
      return answerEmpty(response, id !== undefined && shelf.forget(id) ? 204 : 404)
    case 'POST faults':
      return answerJson(response, 201, { id: faults.add(faultRule.parse(await readJson(request))) })
    case 'DELETE faults':
      faults.clear(id === undefined ? undefined : Number(id))
      return answerEmpty(response, 204)
    case 'POST hosts': {
      const asked = hosts.parse(await readJson(request))
      const servers = parts.servers()
      if (asked.graph !== undefined) await servers.graph[asked.graph]()
      if (asked.media !== undefined) await servers.media[asked.media]()
      return answerEmpty(response, 204)
    }
    case 'POST token': {
      const { value, expiresAt } = newToken.parse(await readJson(request))
      if (value !== undefined) token.value = value
      if (expiresAt !== undefined) token.expiresAt = expiresAt
      return answerEmpty(response, 204)
    }
    case 'GET state':
      return answerJson(response, 200, {
        ...parts.urls(),
        token: { expiresAt: token.expiresAt },
        faults: faults.list(),
        requests: parts.requests,
        media: shelf.list().map(tellItem),
      })
    default:
      answerJson(response, 404, { error: `the control door knows no ${what}` })
  }
}

async function addMedia(shelf: MediaShelf, body: unknown): Promise<MediaItem> {
  const asked = newMedia.parse(body)
  const id = asked.id === undefined ? {} : { id: asked.id }
  if ('sample' in asked) {
    const { source, mimeType } = await sampleOf(asked.sample)
    return shelf.add({ source, mimeType, ...id })
  }
  const source = 'file' in asked ? await fromFile(asked.file) : generated(asked.seed, asked.size)
  return shelf.add({ source, mimeType: asked.mimeType, ...id })
}

function tellItem({ id, mimeType, size, sha256, resolved, downloaded }: MediaItem) {
  return { id, mimeType, size, sha256, resolved, downloaded }
}

function fromHere({ headers, method }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d+$/, '')
  const json = method !== 'POST' || /^application\/json\b/i.test(headers['content-type'] ?? '')
  return json && (host === '127.0.0.1' || host === 'localhost')
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length > BODY_LIMIT) throw new RangeError(`the body is larger than ${BODY_LIMIT} bytes`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

function answerEmpty(response: ServerResponse, status: number): void {
  response.writeHead(status)
  response.end()
}
