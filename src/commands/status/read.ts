import { z } from 'zod'
import { isAlive } from '../../alive.ts'
import type { Dependency } from '../../attachment.ts'
import { type Summary, summaryAnswer } from '../../database/answers.ts'
import { type DatabaseOptions, openClient, rowsOf } from '../../database/client.ts'
import { schemaVersion } from '../../database/schema-version.ts'
import type { Database } from '../../database/types.gen.ts'

type Tables = Database['public']['Tables']

export type NewestRow = Pick<Tables['attachments']['Row'], (typeof NEWEST)[number]>
export type AttachmentRow = Pick<Tables['attachments']['Row'], (typeof WHOLE)[number]>
export type EventRow = Pick<
  Tables['system_events']['Row'],
  'id' | 'created_at' | 'event' | 'worker' | 'detail'
>
export type Lead = Pick<Tables['leads']['Row'], 'phone' | 'user_id' | 'profile_name'>

/** The summary, with whether each daemon is taken for one at work. */
export interface StatusSummary extends Summary {
  readonly daemons: (Summary['daemons'][number] & { readonly alive: boolean })[]
  /** What a daemon at work cannot use, and why. */
  readonly outages: readonly Outage[]
}

/** An outage, as the daemon that met it last has written it down. */
export interface Outage {
  readonly dependency: Dependency
  readonly code: string
  readonly message: string
  readonly advice: string
}

const outageDetail = z.object({ code: z.string(), message: z.string(), advice: z.string() })

/** Everything at a glance. */
export interface Overview {
  readonly summary: StatusSummary
  /** Newest first. */
  readonly newest: readonly ListedRow[]
}

export interface ListedRow extends NewestRow {
  readonly lead: Lead | null
}

/** One attachment with its story. */
export interface Story {
  readonly attachment: AttachmentRow
  readonly lead: Lead | null
  /** The newest, oldest first. */
  readonly events: readonly EventRow[]
  /** What the daemons wait for at the moment, for a row that is not through. */
  readonly summary: StatusSummary
}

const NEWEST = [
  'id',
  'created_at',
  'lead_id',
  'kind',
  'file_name',
  'upload_status',
  'upload_attempts',
  'max_attempts',
  'error_code',
  'size_bytes',
] as const

const WHOLE = [
  ...NEWEST,
  'message_id',
  'caption',
  'voice',
  'animated',
  'declared_mime_type',
  'sent_at',
  'expires_at',
  'next_attempt_at',
  'lost_leases',
  'leased_by',
  'leased_until',
  'bucket',
  'object_key',
  'content_type',
  'sha256',
  'verified',
  'uploaded_at',
  'error_message',
] as const

const DEPENDENCIES = ['whatsapp', 'storage', 'database'] as const

const EVENTS = 200

const UNTOLD = {
  code: '',
  message: 'The reason is in the log of the daemon.',
  advice: '`mediaferry doctor` looks for it.',
}

/** What `mediaferry status` asks. `canaryIntervalMs`: how often a daemon beats. What it throws is a DatabaseError. */
export function openStatus(options: DatabaseOptions, canaryIntervalMs: number) {
  const { call, from, close } = openClient(options)

  async function summary(): Promise<StatusSummary> {
    const answer = await call('pipeline_summary', {}, summaryAnswer)
    const now = Date.now()
    const daemons = answer.daemons.map(seen => ({ ...seen, alive: isAlive(seen, now, canaryIntervalMs) }))
    const out = DEPENDENCIES.filter(dependency =>
      daemons.some(({ alive, circuits }) => alive && (circuits[dependency] ?? 'closed') !== 'closed'),
    )
    return { ...answer, daemons, outages: await Promise.all(out.map(outage)) }
  }

  async function outage(dependency: Dependency): Promise<Outage> {
    const told = await from('system_events')
      .select('detail')
      .is('attachment_id', null)
      .eq('event', 'circuit_opened')
      .eq('detail->>dependency', dependency)
      .order('id', { ascending: false })
      .limit(1)
    const detail = outageDetail.safeParse(rowsOf(told)[0]?.detail)
    return { dependency, ...(detail.success ? detail.data : UNTOLD) }
  }

  async function newest(limit: number): Promise<readonly ListedRow[]> {
    const answer = await from('attachments')
      .select(NEWEST.join(', '))
      .order('id', { ascending: false })
      .limit(limit)
      .overrideTypes<NewestRow[], { merge: false }>()
    const rows = rowsOf(answer)
    const ids = [...new Set(rows.flatMap(({ lead_id }) => (lead_id === null ? [] : [lead_id])))]
    const asked = from('leads').select('id, phone, user_id, profile_name').in('id', ids)
    const leads = new Map(rowsOf(await asked).map(({ id, ...lead }) => [id, lead]))
    return rows.map(row => ({ ...row, lead: leads.get(row.lead_id ?? 0) ?? null }))
  }

  async function attachment(id: number): Promise<AttachmentRow | undefined> {
    const answer = await from('attachments')
      .select(WHOLE.join(', '))
      .eq('id', id)
      .limit(1)
      .overrideTypes<AttachmentRow[], { merge: false }>()
    return rowsOf(answer)[0]
  }

  async function lead(id: number | null): Promise<Lead | null> {
    if (id === null) return null
    return rowsOf(await from('leads').select('phone, user_id, profile_name').eq('id', id).limit(1))[0] ?? null
  }

  async function events(id: number): Promise<readonly EventRow[]> {
    const answer = await from('system_events')
      .select('id, created_at, event, worker, detail')
      .eq('attachment_id', id)
      .order('id', { ascending: false })
      .limit(EVENTS)
    return rowsOf(answer).reverse()
  }

  return {
    schemaVersion: () => schemaVersion(call),
    async overview(limit: number): Promise<Overview> {
      const [all, rows] = await Promise.all([summary(), newest(limit)])
      return { summary: all, newest: rows }
    },
    /** Undefined when there is no such attachment. */
    async story(id: number): Promise<Story | undefined> {
      const [row, told, all] = await Promise.all([attachment(id), events(id), summary()])
      if (row === undefined) return undefined
      return { attachment: row, lead: await lead(row.lead_id), events: told, summary: all }
    },
    close,
  }
}
