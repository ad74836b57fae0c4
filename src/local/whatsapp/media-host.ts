import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { flushed, lastByteChanged, resized, slowed, writeBytes } from './bytes-out.ts'
import type { FaultBoard } from './fault-board.ts'
import type { MediaRule } from './faults.ts'
import type { SimulatedToken } from './graph.ts'
import type { MediaLinks } from './links.ts'
import { answerHtml, answerJson, bearerOf, type Handler, targetOf } from './loopback-server.ts'
import type { MediaItem, MediaShelf } from './media-shelf.ts'
import type { RequestCounts } from './request-counts.ts'

export interface MediaHostParts {
  readonly token: SimulatedToken
  readonly shelf: MediaShelf
  readonly links: MediaLinks
  readonly faults: FaultBoard
  readonly requests: RequestCounts
  /** A link to that file on the elsewhere host, over `hops` - 1 further redirects. */
  readonly elsewhereLink: (mediaId: string, hops: number) => string
}

/** Of the User-Agents that libraries send by themselves, Meta's media host is known to refuse some. */
const REFUSED_AGENTS = /^(?:node|undici|axios\/\S+)$/

/** The host that Graph's links point to (lookaside.fbsbx.com): wants the bearer token and a product's User-Agent. */
export function mediaHost(parts: MediaHostParts): Handler {
  return async (request, response) => {
    const { requests, shelf, token } = parts
    if (request.url === '/') return answerKnock(parts.faults, request, response)
    requests.media.started += 1
    const agent = request.headers['user-agent'] ?? ''
    if (agent === '' || REFUSED_AGENTS.test(agent)) return answerHtml(response, 403)
    if (bearerOf(request) !== token.value) {
      requests.media.unauthorised += 1
      return answerHtml(response, 401)
    }
    const link = parts.links.read(targetOf(request).searchParams)
    const item = link.valid && link.mediaId !== null ? shelf.get(link.mediaId) : undefined
    if (item === undefined || request.method !== 'GET') {
      requests.media.badLink += 1
      return answerHtml(response, 404)
    }
    requests.media.open += 1
    requests.media.openPeak = Math.max(requests.media.openPeak, requests.media.open)
    response.once('close', () => {
      requests.media.open -= 1
    })
    await answerDownload(parts, item, request, response)
  }
}

/** Whoever asks for no file learns how the host is, and nothing else. */
async function answerKnock(
  faults: FaultBoard,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const rule of faults.takeMedia(null)) {
    if (rule.fault === 'delay') await wait(rule.ms, undefined, { ref: false })
    else if (rule.fault === 'reset') return void request.socket.resetAndDestroy()
    else if (rule.fault === 'status') return answerHtml(response, rule.status, retryAfter(rule))
    else if (rule.fault === 'stalled' && rule.afterBytes === undefined) return
  }
  answerHtml(response, 404)
}

async function answerDownload(
  parts: MediaHostParts,
  item: MediaItem,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const whole = () => item.source.open()
  for (const rule of parts.faults.takeMedia(item.id)) {
    switch (rule.fault) {
      case 'delay':
        await wait(rule.ms, undefined, { ref: false })
        break
      case 'reset':
        request.socket.resetAndDestroy()
        return
      case 'html':
        return answerHtml(response, 200)
      case 'json':
        return answerJson(response, 200, { error: { message: 'Something went wrong', code: 1 } })
      case 'status':
        return answerHtml(response, rule.status, retryAfter(rule))
      case 'redirect':
        response.writeHead(302, { location: rule.location ?? parts.elsewhereLink(item.id, rule.hops ?? 1) })
        response.end()
        return
      case 'stalled':
        return stall(response, item, rule.afterBytes)
      case 'cut':
        return cut(response, item, rule.afterBytes)
      case 'wrong_length': {
        const length = Math.max(0, item.size + rule.by)
        beginFile(response, item, length)
        await writeBytes(response, resized(whole(), length))
        response.end()
        return
      }
      case 'wrong_hash':
        beginFile(response, item, item.size)
        await writeBytes(response, lastByteChanged(whole()))
        response.end()
        return
      case 'no_length':
        beginFile(response, item, null)
        return finish(parts.requests.media, response, item, await writeBytes(response, whole()))
      case 'slow': {
        beginFile(response, item, item.size)
        const all = await writeBytes(response, slowed(whole(), rule.bytesPerSecond))
        return finish(parts.requests.media, response, item, all)
      }
    }
  }
  beginFile(response, item, item.size)
  finish(parts.requests.media, response, item, await writeBytes(response, whole()))
}

/**
 * Where the `redirect` fault leads: a host of another name that serves the file to whoever has the link, as a
 * CDN does, and counts the tokens that should not have come along.
 */
export function elsewhereHost(parts: Omit<MediaHostParts, 'token' | 'faults'>): Handler {
  return async (request, response) => {
    const { requests, shelf } = parts
    requests.elsewhere.started += 1
    if (request.headers.authorization !== undefined) requests.elsewhere.withToken += 1
    const query = targetOf(request).searchParams
    const link = parts.links.read(query)
    const item = link.valid && link.mediaId !== null ? shelf.get(link.mediaId) : undefined
    if (item === undefined) return answerHtml(response, 404)
    const hops = Number(query.get('hops') ?? '1')
    if (hops > 1) {
      response.writeHead(302, { location: parts.elsewhereLink(item.id, hops - 1) })
      response.end()
      return
    }
    beginFile(response, item, item.size)
    finish(requests.elsewhere, response, item, await writeBytes(response, item.source.open()))
  }
}

function beginFile(response: ServerResponse, item: MediaItem, length: number | null): void {
  response.writeHead(200, {
    'content-type': item.mimeType,
    ...(length === null ? {} : { 'content-length': String(length) }),
    'cache-control': 'private, no-store',
  })
}

function finish(
  counts: { completed: number },
  response: ServerResponse,
  item: MediaItem,
  allWritten: boolean,
): void {
  if (allWritten) {
    counts.completed += 1
    item.downloaded += 1
  }
  response.end()
}

async function cut(response: ServerResponse, item: MediaItem, afterBytes: number): Promise<void> {
  beginFile(response, item, item.size)
  response.flushHeaders()
  await writeBytes(response, resized(item.source.open(), Math.min(afterBytes, item.size)))
  await flushed(response)
  response.destroy()
}

/** Leaves the connection open; whoever reads gives up, or the simulator stops. */
async function stall(
  response: ServerResponse,
  item: MediaItem,
  afterBytes: number | undefined,
): Promise<void> {
  if (afterBytes === undefined) return
  beginFile(response, item, item.size)
  response.flushHeaders()
  await writeBytes(response, resized(item.source.open(), Math.min(afterBytes, item.size)))
}

function retryAfter(rule: Extract<MediaRule, { fault: 'status' }>): Record<string, string> {
  return rule.retryAfterSeconds === undefined ? {} : { 'retry-after': String(rule.retryAfterSeconds) }
}
