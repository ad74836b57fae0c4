import { Agent, type Dispatcher } from 'undici'
import { type CollectedAnswer, collect } from '../collect.ts'
import { VERSION } from '../version.ts'

/** How requests get to the Data API, and answers back. */
export interface Carrier {
  readonly fetch: typeof globalThis.fetch
  /** Requests that are still under way reject. */
  close(): Promise<void>
}

/** A thousand rows, or a few kept webhook bodies of 3 MB each, are far below it. */
const ANSWER_LIMIT = 64 * 2 ** 20

/** What fetch would send of itself: some gateways refuse whoever does not say who it is. */
const OWN_HEADERS = { 'user-agent': `mediaferry/${VERSION}`, 'accept-encoding': 'identity' }

/**
 * undici with kept-alive connections, without the streams of its `fetch`: 45 settlements cost 0.36 ms of CPU in place
 * of 0.6, supabase-js included (HTTP/1.1, Node 24, undici 8.12), and a busy daemon makes fifty calls a second. Rejects
 * as fetch does: with the reason of a signal, or with a TypeError whose cause says why nothing answered.
 */
export function openCarrier(timeoutMs: number): Carrier {
  const agent = new Agent({ connections: 8, keepAliveTimeout: 30_000, allowH2: false })
  return {
    fetch: async (input, init = {}) => {
      const { origin, pathname, search } = new URL(String(input))
      const given = init.signal ?? undefined
      const inTime = AbortSignal.timeout(timeoutMs)
      const signal = given === undefined ? inTime : AbortSignal.any([given, inTime])
      const request: Dispatcher.DispatchOptions = {
        origin,
        path: `${pathname}${search}`,
        method: init.method ?? 'GET',
        headers: { ...OWN_HEADERS, ...Object.fromEntries(new Headers(init.headers)) },
        body: textOf(init.body),
      }
      let answer: CollectedAnswer
      try {
        answer = await collect(agent, request, signal, ANSWER_LIMIT)
        if (answer.end !== 'whole') throw answer.error ?? new Error('the answer is larger than 64 MB')
        const encoding = answer.headers['content-encoding'] ?? 'identity'
        if (encoding !== 'identity') throw new Error(`the answer is encoded as ${encoding}, unasked`)
      } catch (error) {
        signal.throwIfAborted()
        throw new TypeError('fetch failed', { cause: error })
      }
      return responseOf(answer)
    },
    close: () => agent.destroy(),
  }
}

/** supabase-js sends nothing else to the Data API. */
function textOf(body: RequestInit['body']): string | null {
  if (typeof body === 'string') return body
  if (body === null || body === undefined) return null
  throw new TypeError('a request to the Data API has a text for a body')
}

const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

function responseOf({ statusCode, headers, body }: CollectedAnswer): Response {
  const told = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const each of [value ?? []].flat()) told.append(name, each)
  }
  const content = WITHOUT_BODY.has(statusCode) ? null : new Uint8Array(body)
  return new Response(content, { status: statusCode, headers: told })
}
