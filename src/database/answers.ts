import { z } from 'zod'
import type { Claim } from '../attachment.ts'

/**
 * The shapes of the SQL functions' answers. They are checked when they arrive: a daemon that meets another
 * version of the migrations says so, instead of working with what it misread.
 */
const id = z.number().int().positive()
const identity = z.object({ id, claim_token: id })

const claim = z
  .object({
    id,
    claim_token: id,
    lead_id: z.number().nullable(),
    message_id: z.string(),
    whatsapp_media_id: z.string(),
    phone_number_id: z.string(),
    kind: z.enum(['image', 'video', 'audio', 'document', 'sticker']).nullable(),
    file_name: z.string().nullable(),
    declared_mime_type: z.string().nullable(),
    declared_sha256: z.string().nullable(),
    expires_at: z.string(),
    upload_attempts: z.number(),
    max_attempts: z.number(),
    lost_leases: z.number(),
    bucket: z.string(),
    object_prefix: z.string(),
    created_at: z.string(),
    due_at: z.string(),
  })
  .transform(
    (row): Claim => ({
      id: row.id,
      claimToken: row.claim_token,
      leadId: row.lead_id,
      messageId: row.message_id,
      mediaId: row.whatsapp_media_id,
      phoneNumberId: row.phone_number_id,
      kind: row.kind,
      fileName: row.file_name,
      declaredMimeType: row.declared_mime_type,
      declaredSha256: row.declared_sha256,
      expiresAt: row.expires_at,
      uploadAttempts: row.upload_attempts,
      maxAttempts: row.max_attempts,
      lostLeases: row.lost_leases,
      bucket: row.bucket,
      objectPrefix: row.object_prefix,
      createdAt: row.created_at,
      dueAt: row.due_at,
    }),
  )

/** The claims are read by themselves: those that cannot be read must be given back. */
export const claimAnswer = z.object({
  paused: z.boolean(),
  claims: z.array(z.unknown()),
  worker_lost: z.array(id),
})

export const claims = z.array(claim)

/** Enough of claims to give them back. */
export const claimKeys = z.array(identity)

export const renewAnswer = z.object({ held: z.array(identity) })

export const settleAnswer = z.object({
  answers: z.array(
    identity.extend({
      answer: z.enum(['applied', 'already', 'lost']),
      upload_status: z.enum(['PENDING', 'UPLOADING', 'UPLOADED', 'FAILED']).nullable(),
    }),
  ),
})

export const releaseAnswer = z.object({ released: z.array(id), worker_lost: z.array(id) })

export const afterAnswer = z.object({
  cluster: z.string(),
  horizon: z.string(),
  /** The next transaction id: `next` - `horizon` is the lag of the horizon. */
  next: z.string(),
  /** The `created_xid` that the row with the cursor's id has now; null when there is none. */
  anchor: z.string().nullable(),
  rows: z.array(z.object({ id, created_xid: z.string(), created_at: z.string(), upload_status: z.string() })),
})

export const retryAnswer = z.object({ retried: z.array(id) })

export const beatAnswer = z.object({ beat: z.number(), paused: z.boolean() })

export const pausedAnswer = z.object({ paused: z.boolean() })

export const recordAnswer = z.object({ recorded: z.number() })

const counts = z.object({
  PENDING: z.number(),
  UPLOADING: z.number(),
  UPLOADED: z.number(),
  FAILED: z.number(),
})

export const summaryAnswer = z.object({
  counts,
  due: z.number(),
  oldest_due_at: z.string().nullable(),
  expiring_24h: z.number(),
  rejected: z.number(),
  paused: z
    .object({ changed_by: z.string().nullable(), reason: z.string().nullable(), changed_at: z.string() })
    .nullable(),
  daemons: z.array(
    z.object({
      worker: z.string(),
      beat: z.number(),
      state: z.string(),
      circuits: z.record(z.string(), z.string()),
      version: z.string(),
      last_seen: z.string(),
    }),
  ),
})

export type Summary = z.output<typeof summaryAnswer>
export type AfterAnswer = z.output<typeof afterAnswer>

export const alertAnswer = z.object({ raised: z.boolean() })

export const expiringAnswer = z.object({ count: z.number(), soonest: z.string().nullable() })
