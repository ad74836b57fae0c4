import type { RealtimeHandlers, RealtimeLink } from '../../src/intake/realtime.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

/**
 * How Realtime lies, or does not:
 *
 * ok            events come, now and then one is lost, late or doubled
 * silent        everything looks well and no event comes
 * unpublished   canary events come, those of attachments do not
 * down          joins are refused
 * mute          joins are not answered
 * unlistening   the join is answered, and the server never begins to listen
 * refusing      the server says that it will not serve the subscription
 */
export type RealtimeMood = 'ok' | 'silent' | 'unpublished' | 'down' | 'mute' | 'unlistening' | 'refusing'

interface Subscription {
  readonly process: SimulatedProcess
  readonly worker: string
  readonly handlers: RealtimeHandlers
  /** Which join: what an older one would still say is not said. */
  join: number
  listening: boolean
  /** Heard nothing since a silence, and will not before it joins anew. */
  deafened: boolean
  closed: boolean
}

export interface Realtime {
  mood: RealtimeMood
  linkFor(process: SimulatedProcess, worker: string, handlers: RealtimeHandlers): RealtimeLink
  inserted(id: number): void
  beat(worker: string, beat: number): void
  /** Ends every subscription: with `closed` for good, else realtime-js joins again by itself. */
  cut(how: 'dropped' | 'closed'): void
  /** From now on those who are subscribed hear nothing, until they join anew. */
  deafen(): void
  /** Links of a process that nobody has closed. */
  open(process: SimulatedProcess): number
}

export function createRealtime(world: World): Realtime {
  const { time, random, trace } = world
  const subscriptions = new Set<Subscription>()

  /** Says something to one subscription, unless it has joined anew or closed meanwhile. */
  function say(to: Subscription, ms: number, work: () => void): void {
    const { join } = to
    time.after(ms, () => {
      if (to.join === join && !to.closed) to.process.deliver(() => to.join === join && !to.closed && work())
    })
  }

  function connect(to: Subscription): void {
    const travel = random.between(5, 80)
    const mood = realtime.mood
    if (mood === 'mute') return
    if (mood === 'down') {
      say(to, travel, () => to.handlers.onEvent({ type: 'DROPPED', message: 'simulated' }))
      say(to, travel + random.between(1000, 10_000), () => connect(to))
      return
    }
    say(to, travel, () => to.handlers.onEvent({ type: 'SUBSCRIBED' }))
    if (mood === 'unlistening') return
    const ready = travel + random.between(3, 2500)
    if (mood === 'refusing') {
      say(to, ready, () => to.handlers.onEvent({ type: 'SYSTEM_ERROR', message: 'simulated' }))
      return
    }
    const { join } = to
    time.after(ready, () => {
      if (to.join !== join) return
      to.listening = true
      to.deafened = false
    })
    say(to, ready + random.between(0, 50), () => to.handlers.onEvent({ type: 'SYSTEM_OK' }))
  }

  function announce(to: Subscription, work: () => void): void {
    if (!to.listening || to.deafened || realtime.mood === 'silent') return
    if (world.hiccup()) {
      trace.count('event lost')
      return
    }
    const late = random.chance(0.02)
    if (late) trace.count('event late')
    say(to, late ? random.between(3000, 9000) : random.between(7, 500), work)
    if (random.chance(0.03)) {
      trace.count('event doubled')
      say(to, random.between(7, 2000), work)
    }
  }

  const realtime: Realtime = {
    mood: 'ok',
    linkFor(process, worker, handlers) {
      const link: Subscription = {
        process,
        worker,
        handlers,
        join: 0,
        listening: false,
        deafened: false,
        closed: false,
      }
      subscriptions.add(link)
      return {
        join: () => {
          if (process.state() === 'dead') return
          link.join++
          link.listening = false
          trace.count('realtime joined')
          connect(link)
        },
        close: async () => {
          link.closed = true
          subscriptions.delete(link)
        },
      }
    },
    inserted: id => {
      if (realtime.mood === 'unpublished') return
      for (const each of subscriptions) announce(each, () => each.handlers.onInsert(id))
    },
    beat: (worker, beat) => {
      for (const each of subscriptions)
        if (each.worker === worker) announce(each, () => each.handlers.onCanary(beat))
    },
    cut: how => {
      for (const each of subscriptions) {
        each.listening = false
        if (how === 'closed') say(each, 5, () => each.handlers.onEvent({ type: 'CLOSED' }))
        else {
          say(each, 5, () => each.handlers.onEvent({ type: 'DROPPED', message: 'simulated' }))
          say(each, random.between(1000, 5000), () => connect(each))
        }
      }
    },
    deafen: () => {
      for (const each of subscriptions) each.deafened = true
    },
    open: process => [...subscriptions].filter(each => each.process === process).length,
  }
  return realtime
}
