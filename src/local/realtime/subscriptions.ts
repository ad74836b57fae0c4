import type { Log } from '../../log.ts'
import type { Clock } from './clock.ts'
import type { RealtimeDatabase } from './database.ts'
import { createDelivery, type Delivery, type Entry, type Subscriber } from './delivery.ts'
import type { Marks } from './marks.ts'
import type { Claims } from './tokens.ts'

export interface Subscriptions extends Pick<Delivery, 'wants' | 'deliver' | 'forgetAccess'> {
  /** Starts to listen for these claims, and says so in a `system` frame; until then an earlier one goes on. */
  open(subscriber: Subscriber, claims: Claims): void
  close(subscriber: Subscriber): void
  /** Leaves everybody deaf, without a word, until they open anew. */
  silence(): void
  /** Opens everything again. */
  reopen(): void
  /** Ends the waiting of a cold start for all. */
  endColdStarts(): void
}

export interface SubscriptionsOptions {
  readonly publication: string
  readonly database: RealtimeDatabase
  readonly marks: Marks
  readonly clock: Clock
  readonly log: Log
  connected(): boolean
  /** How long an opening takes before it listens. */
  systemMs(): number
  /** Whether a fault lets the next event through. */
  delivers(): boolean
}

const RETRY_MS = 250

export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const { database, clock } = options
  const entries = new Map<Subscriber, Entry>()
  const delivery = createDelivery({ database, entries, delivers: options.delivers })

  async function listen(subscriber: Subscriber, entry: Entry): Promise<void> {
    const turn = ++entry.turn
    const claims = entry.wanted
    const current = (): boolean =>
      entries.get(subscriber) === entry && entry.turn === turn && options.connected()
    const wait = (ms: number): Promise<void> =>
      waitFor(clock, ms, end => {
        entry.endWait = end
      })
    entry.endWait()
    await wait(options.systemMs())
    while (current()) {
      try {
        const refusal = await database.refusal(options.publication, subscriber.bindings, claims)
        if (!current()) return
        if (refusal !== undefined) {
          entry.listening = false
          return subscriber.system('error', refusal)
        }
        return await options.marks.place(() => {
          if (!current()) return
          entry.claims = claims
          entry.listening = true
          subscriber.system('ok', 'Subscribed to PostgreSQL')
        })
      } catch (error) {
        if (current()) options.log.warn({ err: error }, 'realtime: a subscription waits for the database')
        await wait(RETRY_MS)
      }
    }
  }

  return {
    open(subscriber, claims) {
      const fresh = { claims, wanted: claims, listening: false, turn: 0, endWait: () => undefined }
      const entry = entries.get(subscriber) ?? fresh
      entry.wanted = claims
      entries.set(subscriber, entry)
      delivery.forgetAudiences()
      void listen(subscriber, entry)
    },
    close(subscriber) {
      const entry = entries.get(subscriber)
      entries.delete(subscriber)
      delivery.forgetAudiences()
      entry?.endWait()
    },
    reopen() {
      for (const [subscriber, entry] of entries) void listen(subscriber, entry)
    },
    silence() {
      for (const entry of entries.values()) entry.listening = false
    },
    endColdStarts() {
      for (const entry of entries.values()) entry.endWait()
    },
    wants: delivery.wants,
    deliver: delivery.deliver,
    forgetAccess: delivery.forgetAccess,
  }
}

function waitFor(clock: Clock, ms: number, started: (end: () => void) => void): Promise<void> {
  if (ms <= 0) return Promise.resolve()
  return new Promise(resolve => {
    const cancel = clock.after(ms, resolve)
    started(() => {
      cancel()
      resolve()
    })
  })
}
