import type { Cursor } from '../attachment.ts'

/** One answer of `attachments_after`. */
export interface Page {
  readonly cluster: string
  /** Every transaction below it has ended. */
  readonly horizon: string
  /** The next transaction id that will be given out. */
  readonly next: string
  /** The `created_xid` that the row with the cursor's id has now; null when there is none. */
  readonly anchor: string | null
  readonly rows: readonly Row[]
}

export interface Row {
  readonly id: number
  readonly created_xid: string
  readonly upload_status: string
}

/**
 * Why a cursor may not be used on the database that gave this page, or null when it may. Going on with a cursor of
 * another history would skip rows for good; no row's safety hangs on it, since the claim goes by status.
 */
export function cursorFault(cursor: Cursor, page: Page): string | null {
  if (cursor.cluster !== page.cluster) return 'it belongs to another database cluster'
  if (BigInt(cursor.xid) > BigInt(page.next))
    return 'it is ahead of the database, which was restored to an earlier time'
  if (cursor.id > 0 && page.anchor !== cursor.xid) return 'its row is gone or is another one now'
  return null
}

/** Where to go on without a cursor: what is older is the sweep's, so that a lost cursor does not read the whole table. */
export function cursorAtHorizon(page: Page): Cursor {
  return { cluster: page.cluster, xid: page.horizon, id: 0 }
}
