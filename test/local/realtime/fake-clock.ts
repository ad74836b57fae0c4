import type { Clock } from '../../../src/local/realtime/clock.ts'
import { type Inbox, inbox } from './inbox.ts'

export interface FakeClock extends Clock {
  advance(ms: number): void
  /** The waits that were begun, in milliseconds. */
  readonly waits: Inbox<number>
}

export function fakeClock(start = Date.now()): FakeClock {
  let now = start
  const timers = new Set<{ at: number; work: () => void }>()
  const waits = inbox<number>('waits')
  return {
    now: () => now,
    waits,
    after(ms, work) {
      const timer = { at: now + ms, work }
      timers.add(timer)
      waits.put(ms)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        const [next] = [...timers].filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        timers.delete(next)
        now = Math.max(now, next.at)
        next.work()
      }
      now = end
    },
  }
}
