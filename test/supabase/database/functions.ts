import type { UploadStatus } from '../../../src/attachment.ts'
import type { TestDatabase } from '../../support/database.ts'

/** Typed calls of the SQL functions, and rows to try them on. */

export interface Held {
  readonly id: number
  readonly claim_token: number
}

export interface ClaimRow extends Held {
  readonly lead_id: number | null
  readonly message_id: string
  readonly upload_attempts: number
  readonly lost_leases: number
  readonly object_prefix: string
  readonly due_at: string
}

export interface Answer extends Held {
  readonly answer: 'applied' | 'already' | 'lost'
  readonly upload_status: UploadStatus | null
}

export interface Ingested {
  readonly message_id: string | null
  readonly outcome: 'new' | 'duplicate' | 'rejected'
  readonly attachment_id: number | null
}

/** Ids are small here: the driver's text for bigint is made a number in SQL. */
export interface AttachmentRow {
  readonly id: number
  readonly upload_status: UploadStatus
  readonly upload_attempts: number
  readonly lost_leases: number
  readonly claim_token: number
  readonly lead_id: number | null
  readonly leased_by: string | null
  readonly leased_until: Date | null
  readonly next_attempt_at: Date
  readonly object_key: string | null
  readonly error_code: string | null
  readonly error_message: string | null
  readonly [column: string]: unknown
}

export interface EventRow {
  readonly attachment_id: number | null
  readonly worker: string | null
  readonly event: string
  readonly detail: Readonly<Record<string, unknown>>
}

let serial = 0

/** A message with one picture, of a person of its own unless told otherwise. */
export function message(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const n = ++serial
  return {
    message_id: `wamid.${String(n).padStart(6, '0')}`,
    phone_number_id: '106540352242922',
    sent_at: new Date().toISOString(),
    contact: { user_id: `DE.${1000 + n}`, phone: `49170${1000 + n}`, profile_name: 'Somebody' },
    media: media({ whatsapp_media_id: `media-${n}` }),
    raw_base64: Buffer.from(JSON.stringify({ n })).toString('base64'),
    ...changes,
  }
}

export function media(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    whatsapp_media_id: `media-${++serial}`,
    kind: 'image',
    caption: null,
    file_name: null,
    voice: null,
    animated: null,
    declared_mime_type: 'image/jpeg',
    declared_sha256: null,
    error_code: null,
    error_message: null,
    ...changes,
  }
}

export async function ingest(
  db: Pick<TestDatabase, 'call'>,
  messages: readonly unknown[],
  rejected: readonly unknown[] = [],
): Promise<Ingested[]> {
  const answer = await db.call<{ messages: Ingested[] }>('ingest_whatsapp_messages', { messages, rejected })
  return answer.messages
}

/** `count` PENDING rows that are due, in the order of their ids. */
export async function pending(db: TestDatabase, count: number): Promise<number[]> {
  const answers = await ingest(
    db,
    Array.from({ length: count }, () => message()),
  )
  return answers.map(answer => answer.attachment_id ?? Number.NaN)
}

export interface Claimed {
  readonly paused: boolean
  readonly claims: ClaimRow[]
  readonly worker_lost: number[]
}

export async function claim(
  db: Pick<TestDatabase, 'call'>,
  worker: string,
  options: { ids?: readonly number[]; max?: number; lease?: string } = {},
): Promise<Claimed> {
  const { ids = [], max = 10, lease = '60 seconds' } = options
  return db.call<Claimed>('claim_attachments', { worker, ids, max, lease })
}

/** Claims one row and nothing else. */
export async function claimOne(db: TestDatabase, worker: string, id: number): Promise<ClaimRow> {
  const { claims } = await claim(db, worker, { ids: [id], max: 1 })
  const [only] = claims
  if (only?.id !== id) throw new Error(`expected a claim of ${id}, got ${JSON.stringify(claims)}`)
  return only
}

export async function settle(
  db: Pick<TestDatabase, 'call'>,
  worker: string,
  results: readonly unknown[],
): Promise<Answer[]> {
  const { answers } = await db.call<{ answers: Answer[] }>('settle_attachments', { worker, results })
  return answers
}

export async function renew(db: TestDatabase, worker: string, claims: readonly Held[]): Promise<Held[]> {
  const list = claims.map(({ id, claim_token }) => ({ id, claim_token }))
  const { held } = await db.call<{ held: Held[] }>('renew_leases', {
    worker,
    claims: list,
    lease: '60 seconds',
  })
  return held
}

export async function release(
  db: TestDatabase,
  worker: string,
): Promise<{ released: number[]; worker_lost: number[] }> {
  return db.call('release_claims', { worker })
}

type Named = Held & { readonly object_prefix: string }

export const uploaded = (of: Named, changes: Readonly<Record<string, unknown>> = {}) => ({
  id: of.id,
  claim_token: of.claim_token,
  outcome: 'uploaded',
  object_key: `${of.object_prefix}/${of.id}-${of.claim_token}.jpg`,
  content_type: 'image/jpeg',
  size_bytes: 12,
  sha256: 'ab'.repeat(32),
  verified: true,
  notes: [],
  ...changes,
})

export const unsuccessful = (
  of: Held,
  outcome: 'retry' | 'failed' | 'interrupted',
  changes: Readonly<Record<string, unknown>> = {},
) => ({
  id: of.id,
  claim_token: of.claim_token,
  outcome,
  error_code: 'some_code',
  error_message: 'what happened',
  ...(outcome === 'failed' ? {} : { retry_in_ms: 300_000 }),
  ...changes,
})

export async function attachment(db: TestDatabase, id: number): Promise<AttachmentRow> {
  const [row] = await db.rows<AttachmentRow>(
    `select a.*, a.id::int, a.lead_id::int, a.claim_token::int, a.size_bytes::int
     from attachments a where a.id = $1`,
    [id],
  )
  if (row === undefined) throw new Error(`there is no attachment ${id}`)
  return row
}

export async function eventsOf(db: TestDatabase, id: number | null): Promise<EventRow[]> {
  return db.rows<EventRow>(
    `select attachment_id::int, worker, event, detail from system_events
     where attachment_id is not distinct from $1 order by id`,
    [id],
  )
}

/** Moves a lease into the past, as if its worker had been silent for a minute too long. */
export async function expireLease(db: TestDatabase, ...ids: readonly number[]): Promise<void> {
  await db.rows("update attachments set leased_until = now() - interval '1 minute' where id = any($1)", [ids])
}

/** Its last claim is long dead: whatever the pause of a suspect, it is over. */
export async function loseLease(db: TestDatabase, ...ids: readonly number[]): Promise<void> {
  await db.rows("update attachments set leased_until = now() - interval '9 minutes' where id = any($1)", [
    ids,
  ])
}

/** A test's error code: the SQLSTATE of a refused statement. */
export const sqlState = (code: string) => (error: unknown) =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === code
