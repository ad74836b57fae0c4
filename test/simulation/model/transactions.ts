/**
 * Transaction ids and the horizon. As in PostgreSQL a transaction gets its id with its first write or row lock, so
 * that one which only reads holds nobody back.
 */
export interface Transaction {
  /** Milliseconds since the epoch: `now()`, the moment at which the transaction began. */
  readonly now: number
  /** Assigns the id at the first call. */
  xid(): number
  end(): void
}

export interface Transactions {
  begin(now: number): Transaction
  /** `pg_snapshot_xmin` and `pg_snapshot_xmax` of `pg_current_snapshot()`. */
  snapshot(): { readonly horizon: number; readonly next: number }
}

export function createTransactions(): Transactions {
  let next = 1000
  let completed = next - 1
  const active = new Set<number>()

  return {
    begin: now => {
      let assigned: number | undefined
      return {
        now,
        xid: () => {
          if (assigned === undefined) {
            assigned = next++
            active.add(assigned)
          }
          return assigned
        },
        end: () => {
          if (assigned === undefined) return
          active.delete(assigned)
          completed = Math.max(completed, assigned)
        },
      }
    },
    snapshot: () => ({ horizon: Math.min(completed + 1, ...active), next: completed + 1 }),
  }
}
