import type { Clock } from './clock.ts'
import { WAKE_SET_LIMIT } from './wake-set.ts'

/** How long a commit may take from its place in the log to being seen. */
export const SECOND_LOOK_MS = 1000

export interface SecondLookOptions {
  readonly clock: Clock
  /** Rows to ask for once more; may be none, after a nudge. */
  readonly onDue: (ids: readonly number[]) => void
}

/**
 * PostgreSQL hands a commit to the readers of its log before other sessions see it: a claim made by the event may not
 * find the row. With two busy cores that was so for 58 of 3,000 inserts, for a client that looked at once. So what an
 * event told of and a claim did not give is looked for a second time, and then left to the sweep: mostly another
 * daemon has it.
 */
export interface SecondLook {
  /** A claim asked for those and did not get them. */
  notGiven(ids: readonly number[]): void
  /** Something came due that has no id: the look itself is done twice. */
  nudged(): void
  stop(): void
}

export function createSecondLook({ clock, onDue }: SecondLookOptions): SecondLook {
  const waiting = new Set<number>()
  let second: ReadonlySet<number> = new Set()
  let timer: unknown
  let stopped = false

  function schedule(): void {
    if (stopped || timer !== undefined) return
    timer = clock.setTimeout(() => {
      timer = undefined
      second = new Set(waiting)
      waiting.clear()
      onDue([...second])
    }, SECOND_LOOK_MS)
  }

  return {
    notGiven(ids) {
      for (const id of ids) if (!second.has(id) && waiting.size < WAKE_SET_LIMIT) waiting.add(id)
      if (waiting.size > 0) schedule()
    },
    nudged: schedule,
    stop() {
      stopped = true
      clock.clearTimeout(timer)
    },
  }
}
