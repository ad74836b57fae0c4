import type { SummaryAnswer } from '../api-shapes.ts'

/** One summary for all who listen at `/api/live`, as server-sent events. */
export interface Live {
  /** A stream of its own; null when there are too many already. */
  listen(): ReadableStream<Uint8Array> | null
  readonly listeners: number
  /** Ends every stream. */
  stop(): void
}

export interface LiveOptions {
  readonly read: () => Promise<SummaryAnswer>
  /** Milliseconds between two looks. */
  readonly everyMs?: number
  /** Milliseconds between two comments that keep proxies from hanging up. */
  readonly keepAliveMs?: number
  readonly most?: number
}

/** A listener that takes nothing is let go when this many messages wait for it: its browser comes back by itself. */
const MOST_WAITING = 8

export function createLive({ read, everyMs = 1000, keepAliveMs = 15_000, most = 50 }: LiveOptions): Live {
  type Listener = ReadableStreamDefaultController<Uint8Array>
  const listeners = new Set<Listener>()
  const encoder = new TextEncoder()
  let looks: NodeJS.Timeout | undefined
  let keepAlive: NodeJS.Timeout | undefined
  /** What everybody has, without the time of day. */
  let known = ''
  let looking = false

  function send(listener: Listener, text: string): void {
    if ((listener.desiredSize ?? 0) <= -MOST_WAITING) drop(listener)
    else listener.enqueue(encoder.encode(text))
  }

  function drop(listener: Listener): void {
    if (!listeners.delete(listener)) return
    listener.close()
    restIfAlone()
  }

  function restIfAlone(): void {
    if (listeners.size > 0) return
    clearInterval(looks)
    clearInterval(keepAlive)
    known = ''
  }

  async function look(): Promise<void> {
    if (looking) return
    looking = true
    try {
      const summary = await read()
      const state = JSON.stringify({ ...summary, now: '' })
      if (state === known) return
      known = state
      for (const listener of [...listeners]) send(listener, eventOf(summary))
    } catch {
      // There was no summary yet: `/api/summary` says why, and the next look may have one.
    } finally {
      looking = false
    }
  }

  return {
    listen() {
      if (listeners.size >= most) return null
      let own: Listener | undefined
      return new ReadableStream<Uint8Array>({
        start: listener => {
          own = listener
          if (listeners.size === 0) {
            looks = setInterval(() => void look(), everyMs)
            keepAlive = setInterval(() => {
              for (const each of [...listeners]) send(each, ': still here\n\n')
            }, keepAliveMs)
          }
          listeners.add(listener)
          send(listener, 'retry: 2000\n\n')
          read().then(
            summary => {
              if (listeners.has(listener)) send(listener, eventOf(summary))
            },
            () => undefined,
          )
        },
        cancel: () => {
          if (own !== undefined) listeners.delete(own)
          restIfAlone()
        },
      })
    },
    get listeners() {
      return listeners.size
    },
    stop() {
      for (const listener of [...listeners]) drop(listener)
    },
  }
}

const eventOf = (summary: SummaryAnswer): string => `event: summary\ndata: ${JSON.stringify(summary)}\n\n`
