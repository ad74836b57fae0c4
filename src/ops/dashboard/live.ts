import { ApiError, ask } from './api.ts'
import { eventStream } from './event-stream.ts'
import { retryDelay } from './retry-delay.ts'
import type { Summary } from './wire.ts'

/** The server sends a comment every 15 s: a connection that says nothing for this long is dead. */
const SILENCE_MS = 40_000
/** A browser has six connections to one server for all of its tabs: one that nobody looks at gives its own back. */
const HIDDEN_MS = 20_000

export type Connection =
  | { readonly state: 'connecting' | 'live' }
  /** `retryAt`: by `Date.now()`. */
  | { readonly state: 'lost'; readonly retryAt: number }

export interface LiveHandlers {
  readonly onSummary: (summary: Summary) => void
  readonly onConnection: (connection: Connection) => void
}

export interface Live {
  /** Does not wait for the next try. */
  tryNow(): void
}

/** Keeps one connection to the daemon for as long as the page is looked at. After a 401 it waits for `tryNow`. */
export function listen({ onSummary, onConnection }: LiveHandlers): Live {
  let failures = 0
  let attempt: AbortController | null = null
  let retry: ReturnType<typeof setTimeout> | undefined
  let hiding: ReturnType<typeof setTimeout> | undefined

  async function connect(): Promise<void> {
    clearTimeout(retry)
    const own = new AbortController()
    attempt?.abort()
    attempt = own
    onConnection({ state: 'connecting' })
    try {
      await readSummaries(own)
      throw new ApiError(0, 'The daemon ended the connection.', null)
    } catch (error) {
      if (attempt !== own) return
      attempt = null
      if (document.hidden || (error instanceof ApiError && error.status === 401)) return
      failures++
      const delay = retryDelay(failures, Math.random())
      retry = setTimeout(connect, delay)
      onConnection({ state: 'lost', retryAt: Date.now() + delay })
    }
  }

  async function readSummaries(own: AbortController): Promise<void> {
    let silence = setTimeout(() => own.abort(), SILENCE_MS)
    try {
      const response = await ask('/api/live', { signal: own.signal })
      if (response.body === null) return
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      const read = eventStream()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        clearTimeout(silence)
        silence = setTimeout(() => own.abort(), SILENCE_MS)
        for (const { event, data } of read(value)) {
          if (event !== 'summary' || attempt !== own) continue
          failures = 0
          onConnection({ state: 'live' })
          onSummary(JSON.parse(data))
        }
      }
    } finally {
      clearTimeout(silence)
      own.abort()
    }
  }

  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiding)
    if (document.hidden) {
      hiding = setTimeout(() => {
        clearTimeout(retry)
        attempt?.abort()
      }, HIDDEN_MS)
    } else if (attempt === null) void connect()
  })
  void connect()
  return { tryNow: () => void connect() }
}
