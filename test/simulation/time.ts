import { AsyncLocalStorage } from 'node:async_hooks'
import FakeTimers from '@sinonjs/fake-timers'

/** Somebody whose timers can be held back or taken away: a process of the simulated world. */
export interface Owner {
  /** A timer of it is due, or an answer has come: now, when it goes on, or never. */
  deliver(work: () => void): void
  readonly timers: Set<unknown>
}

/**
 * Time that passes only when it is told to. Date, performance and the global timers are fake while it lasts, and a
 * timer belongs to the process in whose code it was set; AsyncLocalStorage knows which that is.
 */
export interface Time {
  /** Milliseconds since 1970. */
  now(): number
  /** Work of the world itself. */
  after(ms: number, work: () => void): void
  run<T>(owner: Owner, work: () => T): T
  owner(): Owner | undefined
  /** Fires the next timer and lets everything that follows from it happen. False when there is none. */
  step(): Promise<boolean>
  /** Lets what is under way happen, without any time passing. */
  settle(): Promise<void>
  end(): void
}

const realImmediate = globalThis.setImmediate
const START = Date.parse('2026-03-01T12:00:00Z')

export function startTime(random: () => number): Time {
  const scope = new AsyncLocalStorage<Owner | undefined>()
  const clock = FakeTimers.install({
    now: START,
    toFake: [
      'setTimeout',
      'clearTimeout',
      'setInterval',
      'clearInterval',
      'setImmediate',
      'clearImmediate',
      'Date',
      'performance',
    ],
  })
  const realRandom = Math.random
  Math.random = random

  function set(work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): unknown {
    const owner = scope.getStore()
    const timer = clock.setTimeout(() => {
      if (owner === undefined) return work(...args)
      // It may be cleared while the process is held and the moment long past.
      owner.deliver(() => {
        if (owner.timers.delete(timer)) work(...args)
      })
    }, ms)
    owner?.timers.add(timer)
    return timer
  }

  function clear(timer: Parameters<typeof clock.clearTimeout>[0] | undefined): void {
    scope.getStore()?.timers.delete(timer)
    if (timer !== undefined && timer !== null) clock.clearTimeout(timer)
  }

  function repeat(work: () => void, ms: number): unknown {
    const owner = scope.getStore()
    const timer = clock.setInterval(() => {
      if (owner === undefined) return work()
      owner.deliver(() => {
        if (owner.timers.has(timer)) work()
      })
    }, ms)
    owner?.timers.add(timer)
    return timer
  }

  Object.assign(globalThis, {
    setTimeout: set,
    clearTimeout: clear,
    setInterval: repeat,
    clearInterval: clear,
    setImmediate: (work: () => void) => set(work, 0),
    clearImmediate: clear,
  })

  const settle = () => new Promise<void>(resolve => realImmediate(resolve))
  return {
    now: () => clock.now,
    after: (ms, work) => {
      clock.setTimeout(() => scope.run(undefined, work), ms)
    },
    run: (owner, work) => scope.run(owner, work),
    owner: () => scope.getStore(),
    step: async () => {
      if (clock.countTimers() === 0) return false
      clock.next()
      await settle()
      return true
    },
    settle,
    end: () => {
      clock.uninstall()
      Math.random = realRandom
    },
  }
}
