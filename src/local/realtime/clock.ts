/** Time as the Realtime server sees it. Tests bring their own, so that no test of a delay has to wait for it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `work` once after `ms`; the answer cancels it. */
  after(ms: number, work: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Work after `ms`, at once for none. */
export function later(clock: Clock, ms: number, work: () => void): void {
  if (ms > 0) clock.after(ms, work)
  else work()
}
