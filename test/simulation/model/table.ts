import { lockNotAvailable } from './model-error.ts'
import type { Transaction } from './transactions.ts'

export type Key = string | number

/** A table as one transaction sees and changes it: what is committed, under what it has changed itself. */
export interface View<Row> {
  get(key: Key): Row | undefined
  /** In no order. */
  all(): Row[]
  /** Inserts or updates. Locks the row, and throws 55P03 when another open transaction has it. */
  put(key: Key, row: Row): void
  remove(key: Key): void
  /** Throws 55P03 where PostgreSQL would wait. */
  lock(key: Key): void
  /** As `for update skip locked`: false when another open transaction has it. */
  lockOrSkip(key: Key): boolean
  /** As `for key share`: others may share it, nobody else may lock it. */
  share(key: Key): void
  /** Whether this version of the row is the transaction's own. */
  isOwn(key: Key): boolean
}

export interface Change<Row> {
  readonly before: Row | undefined
  readonly after: Row | undefined
}

/** A table with READ COMMITTED transactions and row locks. */
export interface Table<Row> {
  view(transaction: Transaction): View<Row>
  /** What is committed. */
  rows(): Row[]
  /** Makes the transaction's changes everybody's, gives its locks back, and answers what changed. */
  commit(transaction: Transaction): Change<Row>[]
  rollback(transaction: Transaction): void
  /** A savepoint: call the answer to return to how the transaction was. */
  savepoint(transaction: Transaction): () => void
}

interface Work<Row> {
  changes: Map<Key, Row | null>
  locks: Set<Key>
}

export function createTable<Row extends object>(name: string): Table<Row> {
  const committed = new Map<Key, Row>()
  const holders = new Map<Key, Transaction>()
  const sharers = new Map<Key, Set<Transaction>>()
  const works = new Map<Transaction, Work<Row>>()

  function workOf(transaction: Transaction): Work<Row> {
    const known = works.get(transaction)
    if (known !== undefined) return known
    const work: Work<Row> = { changes: new Map(), locks: new Set() }
    works.set(transaction, work)
    return work
  }

  function lockOrSkip(transaction: Transaction, key: Key): boolean {
    const holder = holders.get(key)
    if (holder === transaction) return true
    if (holder !== undefined || isShared(transaction, key)) return false
    transaction.xid()
    holders.set(key, transaction)
    workOf(transaction).locks.add(key)
    return true
  }

  function isShared(transaction: Transaction, key: Key): boolean {
    return [...(sharers.get(key) ?? [])].some(other => other !== transaction)
  }

  function share(transaction: Transaction, key: Key): void {
    const holder = holders.get(key)
    if (holder !== undefined && holder !== transaction) throw lockNotAvailable(`${name} ${key}`)
    transaction.xid()
    sharers.set(key, (sharers.get(key) ?? new Set()).add(transaction))
  }

  function lock(transaction: Transaction, key: Key): void {
    if (!lockOrSkip(transaction, key)) throw lockNotAvailable(`${name} ${key}`)
  }

  function unlock(locks: Iterable<Key>): void {
    for (const key of locks) holders.delete(key)
  }

  function get(transaction: Transaction, key: Key): Row | undefined {
    const changed = works.get(transaction)?.changes.get(key)
    if (changed === null) return undefined
    return changed ?? committed.get(key)
  }

  function all(transaction: Transaction): Row[] {
    const changes = works.get(transaction)?.changes
    if (changes === undefined || changes.size === 0) return [...committed.values()]
    const untouched = [...committed].filter(([key]) => !changes.has(key)).map(([, row]) => row)
    return [...untouched, ...[...changes.values()].filter(row => row !== null)]
  }

  function change(transaction: Transaction, key: Key, row: Row | null): void {
    lock(transaction, key)
    workOf(transaction).changes.set(key, row)
  }

  function end(transaction: Transaction): Work<Row> | undefined {
    const work = works.get(transaction)
    works.delete(transaction)
    if (work !== undefined) unlock(work.locks)
    for (const [key, sharing] of sharers)
      if (sharing.delete(transaction) && sharing.size === 0) sharers.delete(key)
    return work
  }

  return {
    view: transaction => ({
      get: key => get(transaction, key),
      all: () => all(transaction),
      put: (key, row) => change(transaction, key, row),
      remove: key => change(transaction, key, null),
      lock: key => lock(transaction, key),
      lockOrSkip: key => lockOrSkip(transaction, key),
      share: key => share(transaction, key),
      isOwn: key => works.get(transaction)?.changes.has(key) ?? false,
    }),
    rows: () => [...committed.values()],
    commit: transaction => {
      const changes: Change<Row>[] = []
      for (const [key, row] of end(transaction)?.changes ?? []) {
        changes.push({ before: committed.get(key), after: row ?? undefined })
        if (row === null) committed.delete(key)
        else committed.set(key, row)
      }
      return changes
    },
    rollback: transaction => {
      end(transaction)
    },
    savepoint: transaction => {
      const { changes, locks } = workOf(transaction)
      const then = { changes: new Map(changes), locks: new Set(locks) }
      return () => {
        unlock([...workOf(transaction).locks].filter(key => !then.locks.has(key)))
        works.set(transaction, then)
      }
    },
  }
}
