import { type FullRow, type Pause, rowShape, type StoryEvent } from '../../src/api-shapes.ts'
import type { CircuitView, FileToSign, OpsSources, RealtimeView } from '../../src/ops/ops.ts'

/** What a test of the ops server may change at any moment; the server reads it when it is asked. */
export interface Fixtures {
  lifecycle: string
  circuits: CircuitView[]
  lanes: { busy: number; limit: number; claimed: number }
  machine: Record<string, number>
  realtime: RealtimeView
  counts: Record<'PENDING' | 'UPLOADING' | 'UPLOADED' | 'FAILED', number>
  oldestDueAt: string | null
  paused: Pause | null
  rows: FullRow[]
  events: Map<number, StoryEvent[]>
  failures: { code: string; count: number }[]
  /** Thrown by every question to the database while it is set. */
  databaseError: Error | null
  /** Each question to the database, by name. */
  readonly asked: string[]
  readonly retried: ({ readonly ids: readonly number[] } | { readonly code: string })[]
  readonly signed: FileToSign[]
  readonly sources: OpsSources
}

/** A row of a file that was carried; `change` makes it another. */
export function fixtureRow(id: number, change: Partial<FullRow> = {}): FullRow {
  return {
    id,
    lead_id: 7,
    lead: { phone: '15550001234', profile_name: 'Ada' },
    kind: 'image',
    voice: null,
    animated: null,
    caption: null,
    file_name: null,
    upload_status: 'UPLOADED',
    upload_attempts: 1,
    max_attempts: 5,
    error_code: null,
    error_message: null,
    size_bytes: 20_000,
    content_type: 'image/jpeg',
    sent_at: '2026-11-22T10:00:00+00:00',
    created_at: '2026-11-22T10:00:01+00:00',
    uploaded_at: '2026-11-22T10:00:02+00:00',
    expires_at: '2026-11-29T10:00:00+00:00',
    next_attempt_at: '2026-11-22T10:00:01+00:00',
    message_id: `wamid.${id}`,
    bucket: 'attachments',
    object_key: `7/${id}-1.jpg`,
    sha256: 'a'.repeat(64),
    verified: true,
    claim_token: 1,
    lost_leases: 0,
    leased_by: null,
    leased_until: null,
    declared_mime_type: 'image/jpeg',
    phone_number_id: '106540352242922',
    ...change,
  }
}

/** A row that FAILED with that code. */
export const failedRow = (id: number, code: string, change: Partial<FullRow> = {}): FullRow =>
  fixtureRow(id, {
    upload_status: 'FAILED',
    upload_attempts: 5,
    error_code: code,
    error_message: 'It did not work.',
    size_bytes: null,
    content_type: null,
    uploaded_at: null,
    object_key: null,
    sha256: null,
    verified: false,
    ...change,
  })

const closed = (dependency: CircuitView['dependency']): CircuitView => ({
  dependency,
  state: 'closed',
  outage: null,
})

export function fixtures(): Fixtures {
  const asked: string[] = []
  const ask = <T>(name: string, answer: () => T): Promise<T> => {
    asked.push(name)
    return data.databaseError === null ? Promise.resolve(answer()) : Promise.reject(data.databaseError)
  }
  const data: Fixtures = {
    lifecycle: 'running',
    circuits: [closed('whatsapp'), closed('storage'), closed('database')],
    lanes: { busy: 0, limit: 8, claimed: 0 },
    machine: {},
    realtime: { hearing: true, cause: null, announced: 0, missed: 0 },
    counts: { PENDING: 0, UPLOADING: 0, UPLOADED: 0, FAILED: 0 },
    oldestDueAt: null,
    paused: null,
    rows: [],
    events: new Map(),
    failures: [],
    databaseError: null,
    asked,
    retried: [],
    signed: [],
    sources: {
      daemon: {
        lifecycle: () => data.lifecycle,
        worker: () => 'worker-1',
        circuits: () => data.circuits,
        lanes: () => data.lanes,
        machine: () => data.machine,
        realtime: () => data.realtime,
      },
      database: {
        summary: () =>
          ask('summary', () => ({
            counts: data.counts,
            due: data.counts.PENDING,
            oldest_due_at: data.oldestDueAt,
            expiring_24h: 0,
            rejected: 0,
            paused: data.paused,
            daemons: [
              {
                worker: 'worker-1',
                beat: 3,
                state: 'running',
                circuits: { whatsapp: 'closed', storage: 'closed', database: 'closed' },
                version: '0.0.0-test',
                last_seen: new Date().toISOString(),
              },
            ],
          })),
        list: query =>
          ask('list', () => {
            const found = data.rows
              .filter(row => query.before === undefined || row.id < query.before)
              .filter(row => query.status === undefined || row.upload_status === query.status)
              .filter(row => query.kind === undefined || row.kind === query.kind)
              .filter(row => query.error === undefined || row.error_code === query.error)
              .sort((a, b) => b.id - a.id)
            const rows = found.slice(0, query.limit).map(row => rowShape.parse(row))
            const next_before = found.length > rows.length ? (rows.at(-1)?.id ?? null) : null
            return { rows, next_before, scanned: found.length, people_cut: false }
          }),
        story: id =>
          ask('story', () => {
            const attachment = data.rows.find(row => row.id === id)
            return attachment === undefined ? null : { attachment, events: data.events.get(id) ?? [] }
          }),
        activity: () =>
          ask('activity', () => ({
            minutes: Array.from({ length: 60 }, (_, minute) => ({
              at: new Date(Date.UTC(2026, 10, 22, 10, minute)).toISOString(),
              uploaded: minute,
              failed: 0,
              retried: 0,
              bytes: minute * 1000,
            })),
          })),
        failures: () => ask('failures', () => data.failures),
        rejected: () => ask('rejected', () => ({ rows: [], next_before: null })),
        retry: (_by, chosen) =>
          ask('retry', () => {
            data.retried.push(chosen)
            const again = data.rows.filter(row =>
              'ids' in chosen ? chosen.ids.includes(row.id) : row.error_code === chosen.code,
            )
            return again.filter(row => row.upload_status === 'FAILED').map(({ id }) => id)
          }),
        setPaused: (paused, by, reason) =>
          ask('setPaused', () => {
            data.paused = paused ? { changed_by: by, reason, changed_at: new Date().toISOString() } : null
            return data.paused
          }),
      },
      signFile: async file => {
        data.signed.push(file)
        return `https://project.supabase.test/storage/v1/object/sign/${file.bucket}/${file.key}?token=t`
      },
    },
  }
  return data
}
