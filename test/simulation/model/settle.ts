import { z } from 'zod'
import type { SettleAnswer, UploadStatus } from '../../../src/attachment.ts'
import type { Json } from '../../../src/database/types.gen.ts'
import { checkList } from './arguments.ts'
import { checkAttachment } from './constraints.ts'
import { checkEvent } from './events.ts'
import { invalidParameter } from './model-error.ts'
import type { AttachmentRow, JsonObject } from './rows.ts'
import { left500, type Session, type SqlFunction, tell } from './session.ts'

/** Thirty days. */
const LONGEST_DELAY_MS = 2_592_000_000

const json: z.ZodType<Json> = z.json()
const result = z.object({
  id: z.number(),
  claim_token: z.number(),
  outcome: z.enum(['uploaded', 'retry', 'failed', 'interrupted']),
  object_key: z.string().nullish(),
  content_type: z.string().nullish(),
  size_bytes: z.number().nullish(),
  sha256: z.string().nullish(),
  verified: z.boolean().nullish(),
  notes: z
    .array(z.object({ event: z.string().nullish(), detail: z.record(z.string(), json).nullish() }))
    .nullish(),
  error_code: z.string().nullish(),
  error_message: z.string().nullish(),
  retry_in_ms: z.number().nullish(),
})
type Result = z.output<typeof result>

const settleArgs = z.object({ worker: z.string(), results: z.array(z.unknown()) })

export const settleAttachments: SqlFunction = (session, args) => {
  checkList(args.results, 'results')
  const { worker, results } = settleArgs.parse(args)
  const given = results.map(readResult)
  if (new Set(given.map(({ id }) => id)).size < given.length) throw invalidParameter('once for each id')

  const locked = new Map<number, AttachmentRow>()
  for (const { id } of given.toSorted((a, b) => a.id - b.id)) {
    const row = session.attachments.get(id)
    if (row === undefined) continue
    session.attachments.lock(id)
    locked.set(id, row)
  }

  const answers = given.map(one => {
    const row = locked.get(one.id)
    const answer = answerFor(one, row, worker)
    const after = row === undefined ? null : statusAfter(one, row)
    return {
      id: one.id,
      claim_token: one.claim_token,
      answer,
      upload_status: answer === 'applied' ? after : (row?.upload_status ?? null),
    }
  })
  for (const [place, one] of given.entries()) {
    const row = locked.get(one.id)
    if (row !== undefined && answers[place]?.answer === 'applied') apply(session, worker, row, one)
  }
  return { answers }
}

function readResult(given: unknown): Result {
  const read = result.safeParse(given)
  const malformed = 'a result needs id, claim_token, an outcome, an error_code unless uploaded'
  if (!read.success) throw invalidParameter(malformed)
  if (read.data.outcome !== 'uploaded' && typeof read.data.error_code !== 'string') {
    throw invalidParameter(malformed)
  }
  return read.data
}

function answerFor(given: Result, row: AttachmentRow | undefined, worker: string): SettleAnswer {
  if (row === undefined) return 'lost'
  const ownToken = row.claim_token === given.claim_token
  if (row.upload_status === 'UPLOADING') return ownToken && row.leased_by === worker ? 'applied' : 'lost'
  const counted =
    given.outcome === 'uploaded'
      ? row.upload_status === 'UPLOADED' && row.object_key === given.object_key
      : ownToken
  return counted ? 'already' : 'lost'
}

function statusAfter({ outcome }: Result, row: AttachmentRow): UploadStatus {
  if (outcome === 'uploaded') return 'UPLOADED'
  if (outcome === 'interrupted') return 'PENDING'
  return outcome === 'failed' || row.upload_attempts + 1 >= row.max_attempts ? 'FAILED' : 'PENDING'
}

function apply(session: Session, worker: string, row: AttachmentRow, given: Result): void {
  const { now } = session
  const isUploaded = given.outcome === 'uploaded'
  const delay = Math.min(Math.max(given.retry_in_ms ?? 0, 0), LONGEST_DELAY_MS)
  const status = statusAfter(given, row)
  const settled: AttachmentRow = {
    ...row,
    upload_status: status,
    upload_attempts: row.upload_attempts + (given.outcome === 'interrupted' ? 0 : 1),
    next_attempt_at: status === 'PENDING' ? now + delay : row.next_attempt_at,
    leased_by: null,
    leased_until: null,
    object_key: isUploaded ? (given.object_key ?? null) : null,
    content_type: isUploaded ? (given.content_type ?? null) : null,
    size_bytes: isUploaded ? (given.size_bytes ?? null) : null,
    sha256: isUploaded ? (given.sha256 ?? null) : null,
    verified: isUploaded && (given.verified ?? false),
    uploaded_at: isUploaded ? now : null,
    error_code: isUploaded ? null : (given.error_code ?? null),
    error_message: isUploaded ? null : left500(given.error_message),
    updated_at: now,
  }
  checkAttachment(settled)
  session.attachments.put(row.id, settled)
  for (const note of given.notes ?? []) {
    tell(session, checkEvent(note.event), { attachment: row.id, worker }, note.detail ?? {})
  }
  // An interrupted transfer is not an attempt.
  if (given.outcome === 'interrupted') return
  const event = status === 'UPLOADED' ? 'uploaded' : status === 'FAILED' ? 'failed' : 'retry'
  tell(session, event, { attachment: row.id, worker }, attemptDetail(given, settled))
}

function attemptDetail(given: Result, settled: AttachmentRow): JsonObject {
  return withoutNulls({
    claim_token: given.claim_token,
    attempt: settled.upload_attempts,
    max_attempts: settled.max_attempts,
    object_key: given.object_key ?? null,
    content_type: given.content_type ?? null,
    size_bytes: given.size_bytes ?? null,
    sha256: given.sha256 ?? null,
    verified: given.verified ?? null,
    error_code: given.error_code ?? null,
    error_message: left500(given.error_message),
    retry_in_ms: settled.upload_status === 'PENDING' ? (given.retry_in_ms ?? null) : null,
  })
}

/** `jsonb_strip_nulls`. */
export const withoutNulls = (detail: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== null))
