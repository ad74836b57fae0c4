/** One timer for the earliest of many moments at which something comes due. */
export interface DueTimer {
  /** Milliseconds from now. Those beyond `horizonMs` are left to the sweep. */
  in(ms: number): void
  stop(): void
}

export function dueTimer(horizonMs: number, onDue: () => void): DueTimer {
  let timer: NodeJS.Timeout | undefined
  let at = Number.POSITIVE_INFINITY

  return {
    in: ms => {
      if (ms > horizonMs || performance.now() + ms >= at) return
      clearTimeout(timer)
      at = performance.now() + ms
      timer = setTimeout(() => {
        at = Number.POSITIVE_INFINITY
        onDue()
      }, ms)
    },
    stop: () => clearTimeout(timer),
  }
}
