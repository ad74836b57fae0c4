/** One timer for many moments at which something comes due. */
export interface DueTimer {
  /** Milliseconds from now. Those beyond `horizonMs` are left to the sweep. */
  in(ms: number): void
  stop(): void
}

/** Moments this close together are one, the later: it bounds how many are kept, and how often somebody looks. */
const GRID_MS = 250

export function dueTimer(horizonMs: number, onDue: () => void, now = () => performance.now()): DueTimer {
  const moments = new Set<number>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function schedule(): void {
    clearTimeout(timer)
    if (moments.size > 0) timer = setTimeout(tell, Math.max(0, Math.min(...moments) - now()))
  }

  function tell(): void {
    const passed = [...moments].filter(moment => moment <= now())
    for (const moment of passed) moments.delete(moment)
    schedule()
    if (passed.length > 0) onDue()
  }

  return {
    in: ms => {
      if (stopped || ms > horizonMs) return
      moments.add(Math.ceil((now() + ms) / GRID_MS) * GRID_MS)
      schedule()
    },
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
