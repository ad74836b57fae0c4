import { type Binding, wants } from './bindings.ts'
import { type Change, keyOf, type Relation } from './changes.ts'
import type { Access, RealtimeDatabase } from './database.ts'
import { passes, passesHere } from './matching.ts'
import { changePayload } from './payload.ts'
import type { RowChange } from './rows.ts'
import type { Claims } from './tokens.ts'

/** What a channel with bindings gives to hear of changes. */
export interface Subscriber {
  readonly bindings: readonly Binding[]
  system(status: 'ok' | 'error', message: string): void
  event(payload: string): void
}

/** One opening; a later one of the same subscriber takes its place. */
export interface Entry {
  claims: Claims
  /** The claims of an opening that is not through yet, otherwise the same. */
  wanted: Claims
  listening: boolean
  turn: number
  endWait: () => void
}

export interface DeliveryOptions {
  readonly database: RealtimeDatabase
  readonly entries: ReadonlyMap<Subscriber, Entry>
  /** Whether a fault lets the next event through. */
  delivers(): boolean
}

/** Hands rows to those who listen for them. */
export interface Delivery {
  /** Whether anybody listens, or is about to, for such changes of that table. */
  wants(type: RowChange, relation: Relation): boolean
  /** Sends one row to all who listen for it; where that takes a question to PostgreSQL, the end is to be waited for. */
  deliver(change: Change): Promise<void> | undefined
  /** Somebody came or left. */
  forgetAudiences(): void
  /** What is known of roles' rights may have changed. */
  forgetAccess(): void
}

/** One of those who listen for one kind of change of one table. */
interface Hearer {
  readonly subscriber: Subscriber
  readonly entry: Entry
  readonly bindings: readonly Binding[]
  /** For a row that all of the bindings match. */
  readonly selections: readonly Selection[]
}

/** One frame for each set of columns that was asked for: bindings of one channel mostly ask for the same. */
interface Selection {
  readonly select: readonly string[] | undefined
  readonly ids: readonly number[]
}

/**
 * Whatever does not change from row to row is looked up once, and a row for which nothing has to be asked is sent at
 * once: five promises a row, and all of this anew for each, took 8 µs of 50.
 */
export function createDelivery({ database, entries, delivers }: DeliveryOptions): Delivery {
  const audiences = new Map<Relation, Partial<Record<RowChange, readonly Hearer[]>>>()
  const accesses = new Map<Relation, Map<string, { readonly answer: Promise<Access>; known?: Access }>>()

  function audienceOf(type: RowChange, relation: Relation): readonly Hearer[] {
    const known = audiences.get(relation) ?? {}
    audiences.set(relation, known)
    known[type] ??= [...entries].flatMap(([subscriber, entry]) => {
      const bindings = subscriber.bindings.filter(one => wants(one, type, relation.schema, relation.table))
      return bindings.length === 0 ? [] : [{ subscriber, entry, bindings, selections: bySelection(bindings) }]
    })
    return known[type]
  }

  function accessOf(role: string, relation: Relation): { readonly answer: Promise<Access>; known?: Access } {
    const roles = accesses.get(relation) ?? new Map()
    accesses.set(relation, roles)
    const asked = roles.get(role)
    if (asked !== undefined) return asked
    const access: { answer: Promise<Access>; known?: Access } = {
      answer: database.access(role, relation.oid),
    }
    roles.set(role, access)
    access.answer.then(
      answer => {
        access.known = answer
      },
      () => roles.delete(role),
    )
    return access
  }

  /** Undefined when it is done. */
  function deliverTo(hearer: Hearer, change: Change): Promise<void> | undefined {
    if (!hearer.entry.listening) return undefined
    const matching = matchingHere(hearer.bindings, change)
    if (matching?.length === 0) return undefined
    const access = accessOf(hearer.entry.claims.role, change.relation).known
    if (access === undefined || matching === undefined) return askAndDeliver(hearer, change)
    if (access.filtered && change.record !== undefined) return askAndDeliver(hearer, change)
    send(hearer, change, access, matching)
    return undefined
  }

  async function askAndDeliver(hearer: Hearer, change: Change): Promise<void> {
    const { entry, bindings } = hearer
    const { relation, record } = change
    const access = await accessOf(entry.claims.role, relation).answer
    const matching: Binding[] = []
    for (const binding of bindings) {
      if (await passes(binding.filters, change, database.compare)) matching.push(binding)
    }
    if (matching.length === 0) return
    if (access.filtered && record !== undefined) {
      if (!(await database.visible(entry.claims, relation, keyOf(record, relation)))) return
    }
    send(hearer, change, access, matching)
  }

  function send(hearer: Hearer, change: Change, access: Access, matching: readonly Binding[]): void {
    const { subscriber, entry, bindings, selections } = hearer
    for (const { select, ids } of matching === bindings ? selections : bySelection(matching)) {
      if (entries.get(subscriber) !== entry || !delivers()) continue
      subscriber.event(changePayload(change, access, select, ids))
    }
  }

  async function deliverRest(waiting: Promise<void>, rest: readonly Hearer[], change: Change): Promise<void> {
    await waiting
    for (const hearer of rest) await deliverTo(hearer, change)
  }

  return {
    wants: (type, relation) => audienceOf(type, relation).length > 0,
    deliver(change) {
      const audience = audienceOf(change.type, change.relation)
      for (const [index, hearer] of audience.entries()) {
        const waiting = deliverTo(hearer, change)
        if (waiting !== undefined) return deliverRest(waiting, audience.slice(index + 1), change)
      }
      return undefined
    },
    forgetAudiences: () => audiences.clear(),
    forgetAccess() {
      audiences.clear()
      accesses.clear()
    },
  }
}

/** The bindings themselves when all match, undefined when it takes PostgreSQL to know. */
function matchingHere(bindings: readonly Binding[], change: Change): readonly Binding[] | undefined {
  const matching: Binding[] = []
  for (const binding of bindings) {
    const passed = passesHere(binding.filters, change)
    if (passed === undefined) return undefined
    if (passed) matching.push(binding)
  }
  return matching.length === bindings.length ? bindings : matching
}

function bySelection(bindings: readonly Binding[]): Selection[] {
  const groups = new Map<string, { select: readonly string[] | undefined; ids: Set<number> }>()
  for (const { id, select } of bindings) {
    const name = JSON.stringify(select ?? null)
    const group = groups.get(name) ?? { select, ids: new Set() }
    groups.set(name, group)
    group.ids.add(id)
  }
  return [...groups.values()].map(({ select, ids }) => ({ select, ids: [...ids] }))
}
