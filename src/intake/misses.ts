import type { Clock } from './clock.ts'
import type { Row } from './cursor.ts'

/** How long after the catch-up found a row it may still be announced. A batch of 10,000 rows is silent for up to 6 s. */
export const GRACE_MS = 5000
/** So many verdicts running with misses, and the subscription counts as deaf. */
export const MISSES_BEFORE_DEAF = 3
const LIMIT = 10_000

/**
 * Which rows did Realtime never announce? Compares what it announced with what the catch-up found.
 *
 * Only rows whose transaction began after the subscription was confirmed count, told by transaction ids and not by
 * clocks, which differ between machines.
 */
export interface Misses {
  /** The subscription listens since before this transaction id was given out; null: it does not, count nothing. */
  confirm(nextXid: string | null): void
  announced(id: number): void
  found(rows: readonly Row[]): void
  /** Rows never announced, since the start. */
  readonly total: number
  stop(): void
}

export interface MissesOptions {
  readonly clock: Clock
  /** Called with each verdict that has misses. */
  readonly onMissed: (ids: readonly number[]) => void
  /** Three verdicts running had misses. */
  readonly onDeaf: () => void
  /** Too many were announced ahead of the catch-up to be kept apart: it must run, and confirm anew. */
  readonly onLostCount: () => void
}

export function createMisses({ clock, onMissed, onDeaf, onLostCount }: MissesOptions): Misses {
  /** Announced and not found yet. */
  const early = new Set<number>()
  /** Found and not announced yet, with the time of finding. */
  const suspects = new Map<number, number>()
  let confirmed: bigint | null = null
  let total = 0
  let running = 0
  let heardSome = false
  let timer: unknown

  function judge(): void {
    timer = undefined
    const due = clock.now() - GRACE_MS
    const missed = [...suspects].filter(([, at]) => at <= due).map(([id]) => id)
    for (const id of missed) suspects.delete(id)
    const oldest = suspects.values().next().value
    if (oldest !== undefined) timer = clock.setTimeout(judge, oldest - due)
    if (missed.length > 0) {
      total += missed.length
      running++
      onMissed(missed)
      if (running === MISSES_BEFORE_DEAF) onDeaf()
    } else if (heardSome) {
      running = 0
    }
    heardSome = false
  }

  return {
    confirm(nextXid) {
      confirmed = nextXid === null ? null : BigInt(nextXid)
      suspects.clear()
      running = 0
    },
    announced(id) {
      if (suspects.delete(id)) heardSome = true
      else if (early.size < LIMIT) early.add(id)
      else {
        // What was announced can no longer be told from what was missed: nothing counts until the next confirmation.
        early.clear()
        confirmed = null
        onLostCount()
      }
    },
    found(rows) {
      for (const { id, created_xid } of rows) {
        if (early.delete(id)) heardSome = true
        else if (confirmed !== null && BigInt(created_xid) >= confirmed && suspects.size < LIMIT) {
          suspects.set(id, clock.now())
        }
      }
      if (timer === undefined && (suspects.size > 0 || heardSome)) timer = clock.setTimeout(judge, GRACE_MS)
    },
    get total() {
      return total
    },
    stop() {
      clock.clearTimeout(timer)
    },
  }
}
