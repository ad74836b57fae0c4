import type { StreamMessage } from './rows.ts'

export interface ReaderOptions {
  /** What there is to be waited for before the next message, if anything. Must not reject. */
  handle(message: StreamMessage): Promise<void> | undefined
  /** All before `lsn` is handled. */
  confirm(lsn: string): void
  /** What the messages come from; nothing comes while it is paused. */
  wire(): { pause(): unknown; resume(): unknown } | undefined
}

/** Takes the messages of the stream as they come and handles them one at a time. */
export interface Reader {
  take(message: StreamMessage): void
  /** PostgreSQL asks what is handled, and `lsn` is how far it is itself. */
  asked(lsn: string): void
  /** Nothing is handled any more, also nothing of what came already. */
  end(): void
}

/**
 * PostgreSQL sends each row in a packet of its own, every 15 µs, and a read took us 20 to 40 µs: once so many rows of a
 * transaction came, a rest before the next read lets the others gather. One row, or a few, come without delay.
 */
const MANY_ROWS = 2
const REST_MS = 2

/**
 * A confirmation is a write of 100 µs, and wakes PostgreSQL's sender. Nobody waits for one unasked: it only lets go of
 * old log.
 */
const CONFIRM_MS = 100

export function createReader({ handle, confirm, wire }: ReaderOptions): Reader {
  const waiting: StreamMessage[] = []
  let over = false
  let busy = false
  let reading = false
  let rows = 0
  let handled: string | undefined

  function handleOne(message: StreamMessage): Promise<void> | undefined {
    if (over) return undefined
    if (message.tag === 'row') rows++
    else if (message.tag === 'begin') rows = 0
    if (message.tag === 'commit' && message.commitEndLsn !== null) confirmLater(message.commitEndLsn)
    return handle(message)
  }

  /** The library can wait, too, but then does for each message: 2 µs for a row that nobody listens for. */
  async function workOff(end: Promise<void>): Promise<void> {
    busy = true
    wire()?.pause()
    await end
    for (const message of waiting) {
      const next = handleOne(message)
      if (next !== undefined) await next
    }
    waiting.length = 0
    busy = false
    wire()?.resume()
  }

  function confirmLater(lsn: string): void {
    if (handled === undefined) setTimeout(confirmHandled, CONFIRM_MS).unref()
    handled = lsn
  }

  function confirmHandled(): void {
    if (handled !== undefined && !over) confirm(handled)
    handled = undefined
  }

  function restAfterRead(): void {
    reading = false
    if (busy || rows < MANY_ROWS) return
    wire()?.pause()
    setTimeout(() => wire()?.resume(), REST_MS)
  }

  return {
    take(message) {
      if (!reading) process.nextTick(restAfterRead)
      reading = true
      if (busy) waiting.push(message)
      else {
        const end = handleOne(message)
        if (end !== undefined) void workOff(end)
      }
    },
    asked(lsn) {
      handled = lsn
      confirmHandled()
    },
    end() {
      over = true
    },
  }
}
