import { z } from 'zod'
import { type RejectedAnswer, rejectedShape } from '../api-shapes.ts'
import { type DatabaseOptions, openClient, rowsOf } from './client.ts'
import { databaseError } from './database-error.ts'
import type { Database as Types } from './types.gen.ts'

type Row = Types['public']['Tables']['attachments']['Row']

/** A file that is in Storage, as its row says. */
export type StoredFile = Pick<Row, 'id' | 'bucket' | 'object_key' | 'size_bytes' | 'sha256' | 'expires_at'>

/** What decides whether an object is still somebody's. */
export type Owner = Pick<Row, 'id' | 'bucket' | 'upload_status' | 'object_prefix' | 'object_key'>

export type FileOfLead = Pick<Row, 'id' | 'bucket' | 'object_prefix'>

/** An object that is missing or wrong, and the row that names it. */
export interface Damage {
  readonly id: number
  readonly object_key: string
  readonly problem: string
}

export type Prunable = 'events' | 'processed' | 'rejected'

/** What keeps the archive in order asks. Every call rejects with a DatabaseError; lists are pages of at most 500. */
export interface Upkeep {
  /** UPLOADED rows above that id, by id. */
  storedFiles(after: number, max: number): Promise<readonly StoredFile[]>
  /** About how many: the planner's guess where there are more than a page of the Data API. */
  countStoredFiles(after: number): Promise<number>
  storedFile(id: number): Promise<StoredFile | undefined>
  owners(ids: readonly number[]): Promise<readonly Owner[]>
  /** Rows become due again; `lost` are those whose file Meta does not have any more. */
  refetch(damages: readonly Damage[]): Promise<z.output<typeof refetchAnswer>>
  /** Null when there is no such lead. */
  lead(id: number): Promise<Footprint | null>
  stopLead(id: number): Promise<void>
  filesOfLead(id: number, after: number, max: number): Promise<readonly FileOfLead[]>
  /** Rows and message ids, a page; answers how many files went, and whether that was all. */
  eraseLead(id: number): Promise<{ readonly erased: number; readonly done: boolean }>
  recordForgotten(id: number, by: string): Promise<void>
  /** Newest first, below that id. */
  rejected(before: number | undefined, max: number): Promise<RejectedAnswer>
  payload(id: number): Promise<RejectedPayload | undefined>
  removeRejected(id: number): Promise<void>
  ingest(messages: readonly object[]): Promise<readonly Ingested[]>
  /** 1,000,000 stands for that many or more. */
  countPrunable(what: Prunable, olderThanMs: number): Promise<number>
  /** How many went, 0 when nothing is left. */
  prune(what: Prunable, olderThanMs: number): Promise<number>
  close(): Promise<void>
}

const id = z.number().int().positive()
const refetchAnswer = z.object({ refetched: z.array(id), lost: z.array(id) })
const footprint = z.object({
  found: z.literal(true),
  phone: z.string().nullable(),
  user_id: z.string().nullable(),
  profile_name: z.string().nullable(),
  /** It has begun; the identity is gone already. */
  forgetting: z.boolean(),
  /** Until no live transfer is left. */
  wait_ms: z.number().nullable(),
  attachments: z.number(),
  open: z.number(),
  size_bytes: z.number(),
  messages: z.number(),
  rejected: z.number(),
})
const footprintAnswer = z.discriminatedUnion('found', [footprint, z.object({ found: z.literal(false) })])
const stopAnswer = z.object({ found: z.boolean() })
const eraseAnswer = z.object({ erased: z.number(), done: z.boolean() })
const ingested = z.object({
  message_id: z.string().nullable(),
  outcome: z.enum(['new', 'duplicate', 'rejected']),
  attachment_id: id.nullable(),
})
const ingestAnswer = z.object({ messages: z.array(ingested) })
const payloadAnswer = z.object({
  payload: z
    .object({ id, reason: z.string(), phone_number_id: z.string().nullable(), base64: z.string() })
    .nullable(),
})
const countAnswer = z.object({ count: z.number() })
const pruneAnswer = z.object({ removed: z.number() })
const recordAnswer = z.object({ recorded: z.number() })

export type Footprint = z.output<typeof footprint>
export type Ingested = z.output<typeof ingested>

export interface RejectedPayload {
  readonly id: number
  readonly reason: string
  readonly phone_number_id: string | null
  readonly bytes: Buffer
}

const STORED = 'id, bucket, object_key, size_bytes, sha256, expires_at'
const PAGE = 500

export function openUpkeep(options: DatabaseOptions): Upkeep {
  const { call, from, close } = openClient(options)
  const stored = () => from('attachments').select(STORED).eq('upload_status', 'UPLOADED')

  return {
    storedFiles: async (after, max) => rowsOf(await stored().gt('id', after).order('id').limit(max)),
    countStoredFiles: async after => {
      const answer = await from('attachments')
        // Counting exactly takes longer than a statement may, from a few million rows on.
        .select('id', { count: 'estimated', head: true })
        .eq('upload_status', 'UPLOADED')
        .gt('id', after)
      if (answer.error !== null) throw databaseError(answer.error, answer.status)
      return answer.count ?? 0
    },
    storedFile: async wanted => rowsOf(await stored().eq('id', wanted).limit(1))[0],
    owners: async ids =>
      rowsOf(
        await from('attachments')
          .select('id, bucket, upload_status, object_prefix, object_key')
          .in('id', [...ids])
          .limit(PAGE),
      ),
    refetch: damages =>
      call('refetch_attachments', { objects: damages.map(one => ({ ...one })) }, refetchAnswer),
    lead: async lead_id => {
      const answer = await call('lead_footprint', { lead_id }, footprintAnswer)
      return answer.found ? answer : null
    },
    stopLead: async lead_id => {
      await call('forget_lead', { lead_id, phase: 'stop' }, stopAnswer)
    },
    filesOfLead: async (lead, after, max) =>
      rowsOf(
        await from('attachments')
          .select('id, bucket, object_prefix')
          .eq('lead_id', lead)
          .gt('id', after)
          .order('id')
          .limit(max),
      ),
    eraseLead: lead_id => call('forget_lead', { lead_id, phase: 'erase', max: PAGE }, eraseAnswer),
    recordForgotten: async (lead_id, changed_by) => {
      const event = { event: 'lead_forgotten', detail: { lead_id, changed_by } }
      await call('record_events', { events: [event] }, recordAnswer)
    },
    rejected: (before, max) =>
      call('list_rejected', { max, ...(before === undefined ? {} : { before }) }, rejectedShape),
    payload: async wanted => {
      const { payload } = await call('rejected_payload', { id: wanted }, payloadAnswer)
      if (payload === null) return undefined
      const { base64, ...rest } = payload
      return { ...rest, bytes: Buffer.from(base64, 'base64') }
    },
    removeRejected: async wanted => {
      const { error, status } = await from('rejected_payloads').delete().eq('id', wanted)
      if (error !== null) throw databaseError(error, status)
    },
    ingest: async messages => {
      const args = { messages: messages.map(one => ({ ...one })), rejected: [] }
      return (await call('ingest_whatsapp_messages', args, ingestAnswer)).messages
    },
    countPrunable: async (what, age) =>
      (await call('count_prunable', { what, older_than: interval(age) }, countAnswer)).count,
    prune: async (what, age) =>
      (await call('prune_records', { what, older_than: interval(age), max: PAGE }, pruneAnswer)).removed,
    close,
  }
}

const interval = (milliseconds: number): string => `${milliseconds} milliseconds`
