import type { Log } from '../../log.ts'
import { type Binding, wants } from './bindings.ts'
import { type Change, changePayload, keyOf, type Relation } from './changes.ts'
import type { Clock } from './clock.ts'
import type { Access, RealtimeDatabase } from './database.ts'
import type { Marks } from './marks.ts'
import { passes } from './matching.ts'
import type { Claims } from './tokens.ts'

/** What a channel with bindings gives to hear of changes. */
export interface Subscriber {
  readonly bindings: readonly Binding[]
  system(status: 'ok' | 'error', message: string): void
  event(payload: string): void
}

export interface Subscriptions {
  /** Starts to listen for these claims, and says so in a `system` frame; until then an earlier one goes on. */
  open(subscriber: Subscriber, claims: Claims): void
  close(subscriber: Subscriber): void
  /** Whether anybody listens, or is about to, for such changes of that table. */
  wants(type: string, schema: string, table: string): boolean
  /** Sends one row to all who listen for it. */
  deliver(change: Change): Promise<void>
  /** Leaves everybody deaf, without a word, until they open anew. */
  silence(): void
  /** Opens everything again. */
  reopen(): void
  /** Ends the waiting of a cold start for all. */
  endColdStarts(): void
  /** What is known of roles' rights may have changed. */
  forgetAccess(): void
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

/** One opening; a later one of the same subscriber takes its place. */
interface Entry {
  claims: Claims
  /** The claims of an opening that is not through yet, otherwise the same. */
  wanted: Claims
  listening: boolean
  turn: number
  endWait: () => void
}

const RETRY_MS = 250

export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const { database, clock } = options
  const entries = new Map<Subscriber, Entry>()
  const accesses = new Map<string, Promise<Access>>()

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

  function accessFor(role: string, relation: Relation): Promise<Access> {
    const name = `${relation.oid} ${role}`
    const known = accesses.get(name) ?? database.access(role, relation.oid)
    accesses.set(name, known)
    known.catch(() => accesses.delete(name))
    return known
  }

  async function deliverTo(subscriber: Subscriber, entry: Entry, change: Change): Promise<void> {
    const { relation, type } = change
    const wanted = subscriber.bindings.filter(binding =>
      wants(binding, type, relation.schema, relation.table),
    )
    if (wanted.length === 0) return
    const access = await accessFor(entry.claims.role, relation)
    const matching: Binding[] = []
    for (const binding of wanted) {
      if (await passes(binding.filters, change, database.compare)) matching.push(binding)
    }
    if (matching.length === 0) return
    if (access.filtered && change.record !== undefined) {
      if (!(await database.visible(entry.claims, relation, keyOf(change.record, relation)))) return
    }
    for (const [select, ids] of bySelection(matching)) {
      if (entries.get(subscriber) !== entry || !options.delivers()) continue
      subscriber.event(changePayload(change, access, select, ids))
    }
  }

  return {
    open(subscriber, claims) {
      const fresh = { claims, wanted: claims, listening: false, turn: 0, endWait: () => undefined }
      const entry = entries.get(subscriber) ?? fresh
      entry.wanted = claims
      entries.set(subscriber, entry)
      void listen(subscriber, entry)
    },
    close(subscriber) {
      const entry = entries.get(subscriber)
      entries.delete(subscriber)
      entry?.endWait()
    },
    wants: (type, schema, table) =>
      [...entries.keys()].some(({ bindings }) =>
        bindings.some(binding => wants(binding, type, schema, table)),
      ),
    async deliver(change) {
      for (const [subscriber, entry] of [...entries]) {
        if (entry.listening) await deliverTo(subscriber, entry, change)
      }
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
    forgetAccess: () => accesses.clear(),
  }
}

/** One frame for each set of columns that was asked for: bindings of one channel mostly ask for the same. */
function bySelection(bindings: readonly Binding[]): [readonly string[] | undefined, number[]][] {
  const groups = new Map<string, [readonly string[] | undefined, Set<number>]>()
  for (const { id, select } of bindings) {
    const name = JSON.stringify(select ?? null)
    const group = groups.get(name) ?? [select, new Set()]
    group[1].add(id)
    groups.set(name, group)
  }
  return [...groups.values()].map(([select, ids]) => [select, [...ids]])
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
