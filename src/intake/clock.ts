/** Time as the intake sees it, and as XState takes it: tests bring XState's SimulatedClock. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number
  setTimeout(work: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (work, ms) => setTimeout(work, ms),
  clearTimeout: timer => {
    if (timer instanceof Object) clearTimeout(timer as NodeJS.Timeout)
  },
}
