import type { Json } from '../../../src/database/types.gen.ts'
import { beatCanary } from './canary.ts'
import { claimAttachments } from './claims.ts'
import { attachmentsAfter } from './cursor.ts'
import { recordEvents } from './events.ts'
import { ingestWhatsappMessages } from './ingest.ts'
import { held, releaseClaims, renewLeases } from './leases.ts'
import { ModelError } from './model-error.ts'
import { pipelineSummary, retryAttachments, setPipelinePaused } from './operator.ts'
import type {
  AttachmentRow,
  CanaryRow,
  ControlRow,
  EventRow,
  JsonObject,
  LeadRow,
  MessageRow,
  RejectRow,
} from './rows.ts'
import { CONTROL, type Session, type SqlFunction } from './session.ts'
import { settleAttachments } from './settle.ts'
import { type Change, createTable, type View } from './table.ts'
import { createTransactions, type Transaction } from './transactions.ts'

export { ModelError } from './model-error.ts'
export type { AttachmentRow, CanaryRow, EventRow, JsonObject } from './rows.ts'

/**
 * The database as a daemon and a webhook know it, in memory and without waiting: the SQL functions of the
 * migrations over tables with READ COMMITTED transactions, row locks and the transaction horizon. That it answers as
 * PostgreSQL does is held by `test/simulation/model.test.ts`.
 *
 * Where PostgreSQL would wait for another transaction it throws 55P03, as with a `lock_timeout` that is over at once.
 */
export interface ModelDatabase {
  /**
   * Calls a function in a transaction of its own. Arguments and answers are the JSON of the SQL functions;
   * `held` with {worker} stands for the daemon's query of that name, and answers [{id, claim_token}].
   *
   * @throws ModelError, and nothing has changed.
   */
  call(name: string, args: JsonObject): Json
  begin(): ModelTransaction
  /** What is committed, in the order of the ids. */
  rows(): readonly AttachmentRow[]
  events(): readonly EventRow[]
  /** The other tables, in no order. */
  leads(): readonly LeadRow[]
  messages(): readonly MessageRow[]
  rejects(): readonly RejectRow[]
  control(): ControlRow | undefined
  canaries(): readonly CanaryRow[]
  /** Told of every attachment that a commit has inserted. Call the answer to hear no more. */
  onInsert(listener: (row: AttachmentRow) => void): () => void
  /** Told of every canary row that a commit has written, also when nothing in it has changed. */
  onCanary(listener: (row: CanaryRow, type: 'INSERT' | 'UPDATE') => void): () => void
}

/** After an error everything but `rollback` throws 25P02, and `commit` rolls back, as in PostgreSQL. */
export interface ModelTransaction {
  call(name: string, args: JsonObject): Json
  commit(): void
  rollback(): void
}

const FUNCTIONS: Readonly<Record<string, SqlFunction>> = {
  ingest_whatsapp_messages: ingestWhatsappMessages,
  claim_attachments: claimAttachments,
  renew_leases: renewLeases,
  settle_attachments: settleAttachments,
  release_claims: releaseClaims,
  attachments_after: attachmentsAfter,
  beat_canary: beatCanary,
  record_events: recordEvents,
  retry_attachments: retryAttachments,
  set_pipeline_paused: setPipelinePaused,
  pipeline_summary: pipelineSummary,
  held,
}

/**
 * A foreign key is not looked at when an update leaves it as it is, unless the row's version is the transaction's own
 * (RI_FKey_fk_upd_check_required): who writes an attachment twice in a transaction has its lead's row as well.
 */
function referring(attachments: View<AttachmentRow>, leads: View<LeadRow>): View<AttachmentRow> {
  return {
    ...attachments,
    put: (key, row) => {
      if (attachments.isOwn(key) && row.lead_id !== null) leads.share(row.lead_id)
      attachments.put(key, row)
    },
  }
}

/** `clock` is the database's own: milliseconds since the epoch. */
export function createModelDatabase(clock: { now(): number }): ModelDatabase {
  const transactions = createTransactions()
  const attachments = createTable<AttachmentRow>('attachments')
  const leads = createTable<LeadRow>('leads')
  const messages = createTable<MessageRow>('processed_messages')
  const rejects = createTable<RejectRow>('rejected_payloads')
  const events = createTable<EventRow>('system_events')
  const control = createTable<ControlRow>('pipeline_control')
  const canaries = createTable<CanaryRow>('realtime_canary')
  /** Advisory locks, which take no transaction id. */
  const identities = new Map<string, Transaction>()
  const tables = [attachments, leads, messages, rejects, events, control, canaries]
  const last = { attachments: 0, leads: 0, events: 0 }
  const insertListeners = new Set<(row: AttachmentRow) => void>()
  const canaryListeners = new Set<(row: CanaryRow, type: 'INSERT' | 'UPDATE') => void>()

  const first = transactions.begin(clock.now())
  control.view(first).put(CONTROL, { paused: false, changed_by: null, reason: null, changed_at: first.now })
  commit(first)

  function sessionOf(transaction: Transaction): Session {
    return {
      now: transaction.now,
      xid: transaction.xid,
      snapshot: transactions.snapshot,
      attachments: referring(attachments.view(transaction), leads.view(transaction)),
      leads: leads.view(transaction),
      messages: messages.view(transaction),
      rejects: rejects.view(transaction),
      events: events.view(transaction),
      control: control.view(transaction),
      canaries: canaries.view(transaction),
      lockIdentity: identity => {
        const holder = identities.get(identity)
        if (holder !== undefined && holder !== transaction) {
          throw new ModelError('55P03', `identity ${identity} is locked by another open transaction`)
        }
        identities.set(identity, transaction)
      },
      nextId: of => ++last[of],
      savepoint: () => {
        const ways = tables.map(table => table.savepoint(transaction))
        return () => {
          for (const back of ways) back()
        }
      },
    }
  }

  function freeIdentities(transaction: Transaction): void {
    for (const [identity, holder] of identities) if (holder === transaction) identities.delete(identity)
  }

  function rollback(transaction: Transaction): void {
    for (const table of tables) table.rollback(transaction)
    freeIdentities(transaction)
    transaction.end()
  }

  function commit(transaction: Transaction): void {
    const inserted = attachments.commit(transaction)
    const written = canaries.commit(transaction)
    for (const table of [leads, messages, rejects, events, control]) table.commit(transaction)
    freeIdentities(transaction)
    transaction.end()
    announce(inserted, written)
  }

  function announce(inserted: readonly Change<AttachmentRow>[], written: readonly Change<CanaryRow>[]): void {
    for (const { before, after } of inserted) {
      if (before === undefined && after !== undefined) for (const listener of insertListeners) listener(after)
    }
    for (const { before, after } of written) {
      const type = before === undefined ? 'INSERT' : 'UPDATE'
      if (after !== undefined) for (const listener of canaryListeners) listener(after, type)
    }
  }

  function run(transaction: Transaction, name: string, args: JsonObject): Json {
    const sqlFunction = FUNCTIONS[name]
    if (sqlFunction === undefined) throw new Error(`The model has no function ${name}.`)
    try {
      return sqlFunction(sessionOf(transaction), args)
    } catch (error) {
      rollback(transaction)
      throw error
    }
  }

  function begin(): ModelTransaction {
    const transaction = transactions.begin(clock.now())
    let state: 'open' | 'failed' | 'over' = 'open'
    const end = (how: (transaction: Transaction) => void) => {
      if (state === 'over') throw new Error('This transaction is over.')
      if (state === 'open') how(transaction)
      state = 'over'
    }
    return {
      call: (name, args) => {
        if (state === 'over') throw new Error('This transaction is over.')
        if (state === 'failed') throw new ModelError('25P02', 'current transaction is aborted')
        try {
          return run(transaction, name, args)
        } catch (error) {
          state = 'failed'
          throw error
        }
      },
      commit: () => end(commit),
      rollback: () => end(rollback),
    }
  }

  return {
    call: (name, args) => {
      const transaction = transactions.begin(clock.now())
      const answer = run(transaction, name, args)
      commit(transaction)
      return answer
    },
    begin,
    rows: () => attachments.rows().sort((a, b) => a.id - b.id),
    events: () => events.rows().sort((a, b) => a.id - b.id),
    leads: leads.rows,
    messages: messages.rows,
    rejects: rejects.rows,
    control: () => control.rows()[0],
    canaries: canaries.rows,
    onInsert: listener => {
      insertListeners.add(listener)
      return () => insertListeners.delete(listener)
    },
    onCanary: listener => {
      canaryListeners.add(listener)
      return () => canaryListeners.delete(listener)
    },
  }
}
