import type { Readable } from 'node:stream'
import type { Claim, ResolvedMedia } from '../attachment.ts'
import type { CollectedAnswer } from '../collect.ts'
import type { TransferConfig, TransferTimeouts } from './config.ts'
import { withDeadline } from './deadline.ts'
import { noAnswer, tooSlow } from './failure.ts'
import { ANSWER_LIMIT, collected, parseJson } from './gather.ts'
import { tokenHosts } from './hosts.ts'
import type { Answer, Http, Request } from './http.ts'
import { hexSha256 } from './integrity.ts'
import { watchMediaHosts } from './media-hosts.ts'
import { type Headers, isRecord, usageOf } from './rate-headers.ts'
import type { Rooms } from './rooms.ts'
import { TransferError } from './transfer-error.ts'
import { downloadFailure, graphFailure, probeFailure, type RefusedAnswer } from './whatsapp-errors.ts'

/** A download, answered with 200. Destroy a streaming body when done. */
export interface Download {
  /** Its bytes as a whole, or not read yet. */
  readonly body: CollectedAnswer | Readable
  /** Content-Length; null when the host sends none. */
  readonly length: number | null
}

export interface WhatsApp {
  /** Asks the Graph API where a media id's bytes are. Throws TransferError. */
  resolveMedia(claim: Claim, signal: AbortSignal): Promise<ResolvedMedia>
  /**
   * Downloads what fits into one of these rooms at once, or, when that is null, begins a download that streams. The room
   * is the caller's to give back. Throws TransferError; `download_refused` asks for one fresh resolve.
   */
  openDownload(media: ResolvedMedia, rooms: Rooms | null, signal: AbortSignal): Promise<Download>
  /**
   * The neutral probe: reads the phone number's id with the token, or who the token is when none is known yet.
   * A media host that failed a download by 5xx or silence is asked too: Graph may work while it is down.
   * Throws TransferError, always `interrupted`.
   */
  probe(phoneNumberId: string | null, signal: AbortSignal): Promise<void>
}

const REDIRECTS_AT_MOST = 3
const REDIRECTS = new Set([301, 302, 303, 307, 308])
const GRAPH_ID = /^[A-Za-z0-9_-]{1,200}$/

/** The Graph API and Meta's media host, by undici without its `fetch`, which holds streamed bodies in memory. */
export function createWhatsApp(config: TransferConfig, timeouts: TransferTimeouts, http: Http): WhatsApp {
  const hosts = tokenHosts(config.graphUrl, config.mediaHosts)
  const graph = new URL(config.graphUrl)
  const graphPath = `${graph.pathname.replace(/\/+$/, '')}/${config.graphVersion}/`
  const plain = { 'user-agent': `mediaferry/${config.version}`, 'accept-encoding': 'identity' }
  const withToken = { ...plain, authorization: `Bearer ${config.accessToken}` }

  /** Asks by `way`, and passes on what the answer says of our allowance. */
  async function get<A extends Answer | CollectedAnswer>(
    url: URL,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    way: (request: Request) => Promise<A>,
  ): Promise<A> {
    try {
      const answer = await way({ origin: url.origin, path, method: 'GET', headers, signal })
      const usage = usageOf(answer.headers)
      if (usage !== undefined) config.onUsage?.(usage)
      return answer
    } catch (error) {
      throw noAnswer('whatsapp', error)
    }
  }

  // Four reads ahead of Storage in place of one: 42 against 48 ms of CPU for 16 MB.
  const streaming = (request: Request) => http.request({ ...request, highWaterMark: 256 * 1024 })
  const whole = (request: Request) => http.collect(request, ANSWER_LIMIT)

  /** Graph repeats a malformed token in its message. */
  const told = (status: number, headers: Headers, text: string): RefusedAnswer => ({
    status,
    headers,
    text: text.replaceAll(config.accessToken, '[secret]'),
  })

  const refused = ({ statusCode, headers, body, end }: CollectedAnswer): RefusedAnswer =>
    told(statusCode, headers, end === 'broken' ? '' : body.toString('utf8'))

  function askGraph(id: string, query: string, signal: AbortSignal): Promise<Record<string, unknown>> {
    if (!GRAPH_ID.test(id)) throw invalidId()
    const late = () => tooSlow('whatsapp', timeouts.callMs)
    return withDeadline(signal, timeouts.callMs, late, async inTime => {
      const answer = await get(graph, `${graphPath}${id}${query}`, withToken, inTime, whole)
      if (answer.end === 'broken') throw noAnswer('whatsapp', answer.error)
      const text = answer.body.toString('utf8')
      if (answer.statusCode !== 200) {
        throw graphFailure(told(answer.statusCode, answer.headers, text), Date.now())
      }
      const body = parseJson(text)
      if (!isRecord(body)) throw badAnswer('a media id or phone number id with no JSON object', text)
      // An error under a 200 has been seen on other edges of the Graph API: the body is what counts.
      if (isRecord(body.error)) throw graphFailure(told(answer.statusCode, answer.headers, text), Date.now())
      return body
    })
  }

  /** Asked for no file, and without the token: below 500 any answer is the host's ordinary one. */
  async function knock(host: URL, signal: AbortSignal): Promise<TransferError | null> {
    const late = () => tooSlow('whatsapp', timeouts.callMs)
    const answer = await withDeadline(signal, timeouts.callMs, late, inTime =>
      get(host, '/', plain, inTime, streaming),
    )
    letGo(answer.body)
    const { statusCode, headers } = answer
    return statusCode < 500 ? null : downloadFailure(told(statusCode, headers, ''), Date.now())
  }

  const mediaHosts = watchMediaHosts(knock)

  return {
    async resolveMedia(claim, signal) {
      const body = await askGraph(claim.mediaId, '', signal)
      const { url, mime_type: mimeType, sha256, file_size: size } = body
      if (typeof url !== 'string') throw badAnswer('a media id without an address', JSON.stringify(body))
      return {
        url,
        mimeType: typeof mimeType === 'string' && mimeType !== '' ? mimeType : null,
        sha256: typeof sha256 === 'string' ? hexSha256(sha256) : null,
        size: byteCount(size),
      }
    },

    async openDownload(media, rooms, signal) {
      let address = media.url
      let base: URL | undefined
      let headers: Record<string, string> = withToken
      for (let redirects = 0; ; redirects++) {
        const checked = hosts.check(address, base)
        if ('refused' in checked) throw hostRefused(checked.refused)
        const { url } = checked
        const place = redirects === 0 ? 'named' : 'redirected'
        // Once another host has been in between, the token stays away for good.
        if (base !== undefined && url.host !== base.host) headers = plain
        const wanted = (status: number): boolean => {
          // Before its body, which may never end.
          if (status >= 500) mediaHosts.failed(url, place)
          return !REDIRECTS.has(status)
        }
        const way: (request: Request) => Promise<Answer | CollectedAnswer> =
          rooms === null ? streaming : request => http.collect(request, rooms.bytes, wanted, rooms)
        const answer = await get(url, `${url.pathname}${url.search}`, headers, signal, way).catch(error => {
          if (!signal.aborted) mediaHosts.failed(url, place)
          throw error
        })
        if (answer.statusCode >= 500) mediaHosts.failed(url, place)
        else if (answer.statusCode < 400) mediaHosts.served(url, place)
        if (answer.statusCode === 200) return opened(answer, rooms)
        const location = answer.headers.location
        if (!REDIRECTS.has(answer.statusCode) || typeof location !== 'string') {
          throw downloadFailure(refused(isCollected(answer) ? answer : await collected(answer)), Date.now())
        }
        if (!isCollected(answer)) letGo(answer.body)
        if (redirects === REDIRECTS_AT_MOST)
          throw hostRefused(`it redirects more than ${REDIRECTS_AT_MOST} times`)
        address = location
        base = url
      }
    },

    async probe(phoneNumberId, signal) {
      try {
        const { id } = await askGraph(phoneNumberId ?? 'me', '?fields=id', signal)
        if (phoneNumberId !== null && id !== phoneNumberId)
          throw badAnswer('a phone number id with another id', JSON.stringify(id) ?? '')
        await mediaHosts.check(signal)
      } catch (error) {
        if (error instanceof TransferError && error.failure.code !== 'stopped') throw probeFailure(error)
        throw error
      }
    },
  }
}

const isCollected = (answer: Answer | CollectedAnswer): answer is CollectedAnswer => 'end' in answer

function opened(answer: Answer | CollectedAnswer, rooms: Rooms | null): Download {
  const encoding = answer.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    if (isCollected(answer)) rooms?.giveBack(answer.body)
    else letGo(answer.body)
    throw badAnswer('a download in an encoding that was not asked for', String(encoding))
  }
  return {
    body: isCollected(answer) ? answer : answer.body,
    length: byteCount(answer.headers['content-length']),
  }
}

/** Ends a body that nobody reads, without an error event that would find no listener. */
function letGo(body: Readable): void {
  body.on('error', () => {}).destroy()
}

function byteCount(value: unknown): number | null {
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : null
}

function invalidId(): TransferError {
  const message = 'The id from the webhook cannot stand in an address of the Graph API.'
  return new TransferError({ verdict: 'fail', code: 'media_id_invalid', message })
}

function hostRefused(reason: string): TransferError {
  const message = `The file's address was not followed: ${reason}.`
  return new TransferError({ verdict: 'retry', code: 'media_host_refused', message })
}

function badAnswer(what: string, evidence: string): TransferError {
  return new TransferError(
    {
      verdict: 'unattributed',
      dependency: 'whatsapp',
      code: 'whatsapp_bad_answer',
      message: `WhatsApp answered ${what}.`,
      otherwise: 'retry',
    },
    { evidence },
  )
}
