import type { Clock } from './clock.ts'

/** How often we look while nothing can be heard: a row then waits about a second. */
export const DEAF_INTERVAL_MS = 1000

export interface SweepTimerOptions {
  readonly intervalMs: number
  readonly clock: Clock
  /** 0 (included) to 1 (excluded), like Math.random. */
  readonly random: () => number
  readonly onSweep: () => void
  /** With every sweep interval that has passed, deaf or not. */
  readonly onInterval: () => void
}

/** The sweep's clock: every interval, and every second while deaf. */
export interface SweepTimer {
  setHearing(hearing: boolean): void
  /** Sweeps at once; the next one is a whole wait away. */
  now(): void
  stop(): void
}

export function createSweepTimer(options: SweepTimerOptions): SweepTimer {
  const { clock, intervalMs, random } = options
  let hearing = false
  let lastInterval = clock.now()
  let timer: unknown = clock.setTimeout(tick, wait())

  /** Jitter only shortens, by up to a fifth: many daemons do not sweep in step, and none later than promised. */
  function wait(): number {
    const full = hearing ? intervalMs : Math.min(DEAF_INTERVAL_MS, intervalMs)
    return full * (1 - random() / 5)
  }

  function tick(): void {
    clock.clearTimeout(timer)
    timer = clock.setTimeout(tick, wait())
    if (clock.now() - lastInterval >= intervalMs * 0.8) {
      lastInterval = clock.now()
      options.onInterval()
    }
    options.onSweep()
  }

  return {
    setHearing(now) {
      if (now === hearing) return
      hearing = now
      clock.clearTimeout(timer)
      timer = clock.setTimeout(tick, wait())
    },
    now: tick,
    stop: () => clock.clearTimeout(timer),
  }
}
