import type { Clock } from './clock.ts'

/** How soon a beat that could not be written is tried again. */
const RETRY_MS = 5000
/** What is told between two beats is gathered so long. */
const TELL_MS = 1000

export interface CanaryOptions {
  /** `beat_canary`: writes our row and resolves with its new number; 1 when the row was made just now. */
  readonly beat: () => Promise<number>
  readonly intervalMs: number
  /** From the answer of the write to the event. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** A beat came back. */
  readonly onHeard: () => void
  readonly onLate: () => void
  /** Our row changed without a new beat: somebody wants us to look at once (`retry_attachments`, `resume`). */
  readonly onNudge: () => void
  /** The beat could not be written: the database's trouble, and no sign of deafness. */
  readonly onError: (error: unknown) => void
}

/** Writes a row of our own on purpose, and waits for its event. */
export interface Canary {
  /** Beats now, and says late only of this beat: an older one may have been lost before the server listened. */
  prove(): void
  /**
   * Writes the row once more, soon and at most once a second, since what it says of us has changed. Nothing is
   * measured by it, and one that fails is left to the next beat.
   */
  tell(): void
  /** An UPDATE of our own row was announced. */
  seen(beat: number): void
  /** Resolves when no write is under way any more. */
  stop(): Promise<void>
}

export function createCanary(options: CanaryOptions): Canary {
  const { clock, intervalMs, timeoutMs } = options
  let heard = 0
  /** The number of our latest write; what it answers after another began is of no interest. */
  let turn = 0
  let lateTimer: unknown
  let nextTimer: unknown
  let tellTimer: unknown
  let toldAt = Number.NEGATIVE_INFINITY
  let stopped = false
  const writing = new Set<Promise<void>>()

  function begin(): void {
    if (stopped) return
    clock.clearTimeout(lateTimer)
    clock.clearTimeout(nextTimer)
    turn++
    const write = beat(turn).finally(() => writing.delete(write))
    writing.add(write)
  }

  async function beat(mine: number): Promise<void> {
    let number: number
    try {
      number = await options.beat()
    } catch (error) {
      if (stopped || mine !== turn) return
      nextTimer = clock.setTimeout(begin, Math.min(RETRY_MS, intervalMs))
      options.onError(error)
      return
    }
    if (stopped || mine !== turn) return
    if (number === 1) {
      // The row is new, so this was an INSERT, which is not announced to us; its numbers start anew.
      heard = 1
      begin()
      return
    }
    nextTimer = clock.setTimeout(begin, intervalMs)
    if (heard < number) lateTimer = clock.setTimeout(options.onLate, timeoutMs)
  }

  async function tellNow(): Promise<void> {
    tellTimer = undefined
    toldAt = clock.now()
    const number = await options.beat().catch(() => undefined)
    // Made anew just now, and its numbers with it: the beats before it prove nothing any more.
    if (number !== 1) return
    heard = 1
    begin()
  }

  return {
    prove: begin,
    tell() {
      if (stopped || tellTimer !== undefined) return
      tellTimer = clock.setTimeout(
        () => {
          const write = tellNow().finally(() => writing.delete(write))
          writing.add(write)
        },
        Math.max(0, toldAt + TELL_MS - clock.now()),
      )
    },
    seen(number) {
      if (stopped) return
      if (number <= heard) {
        options.onNudge()
        return
      }
      heard = number
      clock.clearTimeout(lateTimer)
      options.onHeard()
    },
    async stop() {
      stopped = true
      clock.clearTimeout(lateTimer)
      clock.clearTimeout(nextTimer)
      clock.clearTimeout(tellTimer)
      await Promise.all(writing)
    },
  }
}
