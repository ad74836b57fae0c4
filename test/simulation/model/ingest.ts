import { z } from 'zod'
import { checkAttachment } from './constraints.ts'
import { contact, given, lockIdentities, resolveLead } from './leads.ts'
import { checkViolation, ModelError, notNullViolation } from './model-error.ts'
import type { AttachmentRow } from './rows.ts'
import { HOUR_MS, left500, type Session, type SqlFunction, tell } from './session.ts'
import { withoutNulls } from './settle.ts'

const text = z.string().nullish()
const message = z.object({
  message_id: text,
  phone_number_id: text,
  sent_at: text,
  bucket: text,
  max_attempts: z.number().int().nullish(),
  contact,
  media: z
    .object({
      whatsapp_media_id: text,
      kind: text,
      caption: text,
      file_name: text,
      voice: z.boolean().nullish(),
      animated: z.boolean().nullish(),
      declared_mime_type: text,
      declared_sha256: text,
      error_code: text,
      error_message: text,
    })
    .nullish(),
  raw_base64: text,
})
type Message = z.output<typeof message>

const reject = z.object({ reason: text, message_id: text, phone_number_id: text, payload_base64: text })
type Reject = z.output<typeof reject>

const ingestArgs = z.object({
  messages: z.array(message).nullable(),
  rejected: z.array(reject).nullable(),
})

interface Outcome {
  readonly message_id: string | null
  readonly outcome: 'new' | 'duplicate' | 'rejected'
  readonly attachment_id: number | null
  readonly reason?: string
}

export const ingestWhatsappMessages: SqlFunction = (session, args) => {
  const { messages, rejected } = ingestArgs.parse(args)
  const batch = messages ?? []
  lockIdentities(
    session,
    batch.map(one => one.contact),
  )
  const sorted = [...batch.entries()].toSorted(([a, one], [b, other]) => byMessageId(one, other) || a - b)
  const outcomes = ingestEach(
    session,
    sorted.map(([, one]) => one),
  )
  const rejects: Reject[] = [...(rejected ?? [])]
  const answers = new Map<number, Outcome>()
  for (const [at, [place, one]] of sorted.entries()) {
    const outcome = outcomes[at]
    if (outcome === undefined) throw new Error('a message without an outcome')
    answers.set(place, outcome)
    if (outcome.outcome !== 'rejected') continue
    const payload = one.raw_base64 ?? Buffer.from(JSON.stringify(one)).toString('base64')
    const { message_id, phone_number_id } = one
    rejects.push({ reason: outcome.reason, message_id, phone_number_id, payload_base64: payload })
  }
  keepRejects(session, rejects)
  return {
    messages: batch.map((_, place) => {
      const answer = answers.get(place)
      if (answer === undefined) throw new Error('a message without an answer')
      const { message_id, outcome, attachment_id } = answer
      return { message_id, outcome, attachment_id }
    }),
  }
}

/** In bytes, nulls last. */
function byMessageId(one: Message, other: Message): number {
  const [a, b] = [one.message_id ?? null, other.message_id ?? null]
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** `mediaferry.ingest_each`: what can never go in is found by halving. */
function ingestEach(session: Session, messages: readonly Message[]): Outcome[] {
  const rollback = session.savepoint()
  try {
    return ingestAll(session, messages)
  } catch (error) {
    if (!(error instanceof ModelError) || !/^2[23]/.test(error.sqlstate)) throw error
    rollback()
    const [first] = messages
    if (messages.length > 1) {
      const half = Math.trunc(messages.length / 2)
      return [...ingestEach(session, messages.slice(0, half)), ...ingestEach(session, messages.slice(half))]
    }
    return [
      {
        message_id: first?.message_id ?? null,
        outcome: 'rejected',
        attachment_id: null,
        reason: `${error.sqlstate}: ${error.message}`,
      },
    ]
  }
}

/** `mediaferry.ingest_all`: all of them or none. */
function ingestAll(session: Session, messages: readonly Message[]): Outcome[] {
  const taken = messages.map(one => {
    const wamid = given(one.message_id)
    if (wamid !== null && session.messages.get(wamid) !== undefined) return { one, fresh: false, lead: null }
    const lead = resolveLead(session, one.contact, sentAt(session, one))
    if (wamid === null) throw notNullViolation('message_id')
    if (Buffer.byteLength(wamid) > 1000) throw checkViolation('processed_messages_message_id_check')
    session.messages.lock(wamid)
    session.messages.put(wamid, { message_id: wamid, lead_id: lead, processed_at: session.now })
    return { one, fresh: true, lead }
  })
  const stored = new Set<number>()
  for (const { one, fresh, lead } of taken) {
    const id = fresh ? insertAttachment(session, one, lead) : null
    if (id !== null) stored.add(id)
  }
  // A later message of the batch has shown that two senders are one, and the lead of an earlier one is gone.
  for (const { fresh, one, lead } of taken) {
    const isGone = lead !== null && session.leads.get(lead) === undefined
    if (fresh && isGone && (one.media ?? null) !== null) {
      throw new ModelError('23503', `lead ${lead} is not present in table "leads"`)
    }
  }
  return taken.map(({ one, fresh }) => {
    const attachment = session.attachments.all().find(row => row.message_id === one.message_id)
    const isNew = fresh && ((attachment && stored.has(attachment.id)) || (one.media ?? null) === null)
    return {
      message_id: one.message_id ?? null,
      outcome: isNew ? 'new' : 'duplicate',
      attachment_id: attachment?.id ?? null,
    }
  })
}

function sentAt(session: Session, { sent_at: sent }: Message): number {
  if (sent === null || sent === undefined) return session.now
  const at = Date.parse(sent)
  if (Number.isNaN(at)) throw new ModelError('22007', `invalid input syntax for timestamp: "${sent}"`)
  return at
}

/** Answers null for a message without media, or one whose attachment was there already. */
function insertAttachment(session: Session, one: Message, lead: number | null): number | null {
  const { media } = one
  if (media === null || media === undefined) return null
  const mediaId = given(media.whatsapp_media_id)
  const fault = given(media.error_code) ?? (mediaId === null ? 'media_id_missing' : null)
  const id = session.nextId('attachments')
  if (typeof one.phone_number_id !== 'string') throw notNullViolation('phone_number_id')
  const row: AttachmentRow = {
    id,
    lead_id: lead,
    message_id: one.message_id ?? '',
    whatsapp_media_id: mediaId,
    phone_number_id: one.phone_number_id,
    kind: media.kind ?? null,
    caption: media.caption ?? null,
    file_name: media.file_name ?? null,
    voice: media.voice ?? null,
    animated: media.animated ?? null,
    declared_mime_type: given(media.declared_mime_type),
    declared_sha256: given(media.declared_sha256)?.toLowerCase() ?? null,
    sent_at: sentAt(session, one),
    expires_at: sentAt(session, one) + 7 * 24 * HOUR_MS,
    upload_status: fault === null ? 'PENDING' : 'FAILED',
    upload_attempts: 0,
    max_attempts: one.max_attempts ?? 5,
    next_attempt_at: session.now,
    claim_token: 0,
    lost_leases: 0,
    leased_by: null,
    leased_until: null,
    bucket: given(one.bucket) ?? 'attachments',
    object_prefix: lead === null ? 'unassigned' : String(lead),
    object_key: null,
    content_type: null,
    size_bytes: null,
    sha256: null,
    verified: false,
    uploaded_at: null,
    error_code: fault,
    error_message: fault === null ? null : left500(media.error_message),
    created_xid: session.xid(),
    created_at: session.now,
    updated_at: session.now,
  }
  checkAttachment(row)
  const isThere = session.attachments
    .all()
    .some(other => other.message_id === row.message_id && other.whatsapp_media_id === row.whatsapp_media_id)
  if (isThere) return null
  session.attachments.put(id, row)
  const { kind, error_code, error_message } = row
  tell(
    session,
    fault === null ? 'received' : 'failed',
    { attachment: id },
    withoutNulls({ kind, error_code, error_message }),
  )
  return id
}

/** `mediaferry.keep_rejects`: the same bytes again add no row. */
function keepRejects(session: Session, rejects: readonly Reject[]): void {
  const byPayload = new Map<string, Reject>()
  for (const one of rejects) {
    const payload = Buffer.from(one.payload_base64 ?? '', 'base64').toString('hex')
    if (!byPayload.has(payload)) byPayload.set(payload, one)
  }
  for (const [payload, one] of byPayload) {
    session.rejects.lock(payload)
    const known = session.rejects.get(payload)
    session.rejects.put(payload, {
      reason: left500(one.reason ?? 'no reason given') ?? '',
      message_id: known === undefined ? (one.message_id ?? null) : known.message_id,
      phone_number_id: known === undefined ? (one.phone_number_id ?? null) : known.phone_number_id,
      payload,
      times: (known?.times ?? 0) + 1,
      first_seen_at: known?.first_seen_at ?? session.now,
      last_seen_at: session.now,
    })
  }
}
