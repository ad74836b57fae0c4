import type { Json } from '../../../src/database/types.gen.ts'
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
import type { View } from './table.ts'

/** What a modelled SQL function works on: the tables as its transaction sees them. */
export interface Session {
  /** `now()`: milliseconds since the epoch. */
  readonly now: number
  /** `pg_current_xact_id()`. */
  xid(): number
  snapshot(): { readonly horizon: number; readonly next: number }
  readonly attachments: View<AttachmentRow>
  readonly leads: View<LeadRow>
  readonly messages: View<MessageRow>
  readonly rejects: View<RejectRow>
  readonly events: View<EventRow>
  readonly control: View<ControlRow>
  readonly canaries: View<CanaryRow>
  /** `pg_advisory_xact_lock`. Throws 55P03 when another open transaction has it. */
  lockIdentity(identity: string): void
  /** The next value of a sequence; like PostgreSQL's it is not taken back by a rollback. */
  nextId(of: 'attachments' | 'leads' | 'events'): number
  savepoint(): () => void
}

export type SqlFunction = (session: Session, args: JsonObject) => Json

/** The one row of pipeline_control. */
export const CONTROL = 'singleton'

export const isPaused = (session: Session): boolean => session.control.get(CONTROL)?.paused ?? false

export function tell(
  session: Session,
  event: string,
  of: { readonly attachment?: number; readonly worker?: string | null },
  detail: JsonObject,
): void {
  const id = session.nextId('events')
  session.events.put(id, {
    id,
    attachment_id: of.attachment ?? null,
    worker: of.worker ?? null,
    event,
    detail,
    created_at: session.now,
  })
}

/** As jsonb writes a timestamptz in UTC. */
export const timestamp = (ms: number): string => new Date(ms).toISOString().replace('Z', '+00:00')

/** `mediaferry.page`. */
export const page = (wanted: number | null | undefined): number => Math.min(Math.max(wanted ?? 0, 0), 500)

/** `left(text, 500)`, which counts code points. */
export const left500 = (text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : [...text].slice(0, 500).join('')

export const HOUR_MS = 3_600_000

/** Sorts by the first key that differs, ascending. */
export const by =
  <Row>(...keys: readonly ((row: Row) => number)[]) =>
  (a: Row, b: Row): number => {
    for (const key of keys) {
      const difference = key(a) - key(b)
      if (difference !== 0) return difference
    }
    return 0
  }
