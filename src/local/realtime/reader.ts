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
  /** Confirms when what was read is handled, once for all that came in one read. */
  confirmSoon(lsn: string): void
  /** Nothing is handled any more, also nothing of what came already. */
  end(): void
}

/**
 * PostgreSQL sends each row in a packet of its own, every 15 µs, and a read took us 20 to 40 µs: once so many rows of a
 * transaction came, a rest before the next read lets the others gather. One row, or a few, come without delay.
 */
const MANY_ROWS = 2
const REST_MS = 2

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
    if (message.tag === 'commit' && message.commitEndLsn !== null) confirmSoon(message.commitEndLsn)
    return handle(message)
  }

  /** The library can wait, too, but then does for each message: 3 µs for a row that nobody listens for. */
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

  function confirmSoon(lsn: string): void {
    handled = lsn
    afterRead()
  }

  function afterRead(): void {
    if (!reading) process.nextTick(readIsOver)
    reading = true
  }

  function readIsOver(): void {
    reading = false
    if (handled !== undefined && !over) confirm(handled)
    handled = undefined
    if (busy || rows < MANY_ROWS) return
    wire()?.pause()
    setTimeout(() => wire()?.resume(), REST_MS)
  }

  return {
    take(message) {
      afterRead()
      if (busy) waiting.push(message)
      else {
        const end = handleOne(message)
        if (end !== undefined) void workOff(end)
      }
    },
    confirmSoon,
    end() {
      over = true
    },
  }
}
