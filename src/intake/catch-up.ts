import type { Cursor, CursorStore } from '../attachment.ts'
import { cursorAtHorizon, cursorFault, type Page, type Row } from './cursor.ts'

/** The most rows that one call answers; a page with fewer is the last. */
export const PAGE_SIZE = 500

export interface CatchUpOptions {
  /** `attachments_after`: rows after (xid, id), at most `max`, in (created_xid, id) order. */
  readonly attachmentsAfter: (xid: string, id: number, max: number) => Promise<Page>
  readonly cursor: CursorStore
  /** Rows that nobody has seen before. Called before the cursor moves past them. */
  readonly onRows: (rows: readonly Row[]) => void
  /** The first page of a run that was asked to confirm: from its `next` on, rows must be announced. */
  readonly onConfirmed: (nextXid: string) => void
  readonly onDropped: (reason: string) => void
  readonly onError: (error: unknown) => void
}

/** Reads the rows after the cursor, page by page, until there are no more. One run at a time. */
export interface CatchUp {
  /**
   * Starts a run, or when one is under way another after it. `confirm`: the server has just said that it listens.
   * A confirmation that failed is made up for by the next run.
   */
  run(options?: { readonly confirm: boolean }): void
  /** Resolves when no call is under way any more. Nothing is handed over afterwards. */
  stop(): Promise<void>
}

export function createCatchUp(options: CatchUpOptions): CatchUp {
  const { attachmentsAfter, cursor: store } = options
  let cursor: Cursor | null = store.load()
  let stopped = false
  let again = false
  /** How many confirmations were asked for, and which was the last given. */
  let asked = 0
  let given = 0
  let running: Promise<void> | null = null

  async function readAll(): Promise<void> {
    do {
      again = false
      let more = true
      while (more && !stopped) more = await readPage()
    } while (again && !stopped)
  }

  /** True when there may be more. */
  async function readPage(): Promise<boolean> {
    const asking = asked
    const from = cursor
    const page = await attachmentsAfter(from?.xid ?? '0', from?.id ?? 0, from === null ? 1 : PAGE_SIZE)
    if (stopped) return false
    // Asked again while the call was under way: its `next` may be older than that, so the next page answers it.
    if (asking !== given && asking === asked) {
      given = asking
      options.onConfirmed(page.next)
    }
    const fault = from === null ? null : cursorFault(from, page)
    if (from === null || fault !== null) {
      if (fault !== null) options.onDropped(fault)
      moveTo(cursorAtHorizon(page))
      return true
    }
    const last = page.rows.at(-1)
    if (last === undefined) return false
    options.onRows(page.rows)
    moveTo({ cluster: page.cluster, xid: last.created_xid, id: last.id })
    return page.rows.length >= PAGE_SIZE
  }

  function moveTo(to: Cursor): void {
    cursor = to
    store.save(to)
  }

  return {
    run({ confirm } = { confirm: false }) {
      if (stopped) return
      if (confirm) asked++
      again = true
      running ??= readAll()
        .catch(options.onError)
        .finally(() => {
          running = null
        })
    },
    async stop() {
      stopped = true
      await running
    },
  }
}
