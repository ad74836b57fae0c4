import { z } from 'zod'

/**
 * The answers of the HTTP API (`/api/*`), one shape each. What the database answers for it is checked against these,
 * the server's answers are typed by them, and `/api/openapi.json` is made of them. Times are ISO 8601, sizes bytes.
 */
const status = z.enum(['PENDING', 'UPLOADING', 'UPLOADED', 'FAILED'])
const kind = z.enum(['image', 'video', 'audio', 'document', 'sticker'])
const count = z.number().int().nonnegative()
const text = z.string().nullable()
const time = z.string().meta({ format: 'date-time' })

const pause = z.object({ changed_by: text, reason: text, changed_at: time })

export const summaryShape = z.object({
  version: z.string(),
  worker: z.string(),
  now: time,
  counts: z.record(status, count),
  due: count,
  oldest_due_at: time.nullable(),
  expiring_24h: count.describe('Not stored yet, and Meta deletes them within a day.'),
  rejected: count,
  paused: pause.nullable(),
  lanes: z.object({ busy: count, limit: count, claimed: count }),
  realtime: z.object({
    hearing: z.boolean(),
    cause: z.object({ code: z.string(), message: z.string() }).nullable(),
    advice: text,
    announced: count,
    missed: count,
  }),
  circuits: z.array(
    z.object({
      dependency: z.enum(['whatsapp', 'storage', 'database']),
      state: z.string(),
      code: text,
      reason: text,
      advice: text,
      since: time.nullable(),
      probes: count,
    }),
  ),
  daemons: z.array(
    z.object({
      worker: z.string(),
      state: z.string(),
      circuits: z.record(z.string(), z.string()),
      version: z.string(),
      beat: count,
      last_seen: time,
      alive: z.boolean(),
    }),
  ),
  ready: z.object({ status: z.enum(['ready', 'degraded', 'down']), reasons: z.array(z.string()) }),
  machine: z
    .record(z.string(), count)
    .describe("This daemon's live attachments by state of machines/attachment.ts."),
  stale: z
    .object({ read_at: time, error: z.string() })
    .nullable()
    .describe('Set when the database does not answer: its numbers are those of `read_at`.'),
})

export const activityShape = z.object({
  minutes: z.array(z.object({ at: time, uploaded: count, failed: count, retried: count, bytes: count })),
})

export const rowShape = z.object({
  id: count,
  lead_id: count.nullable(),
  lead: z.object({ phone: text, profile_name: text }).nullable(),
  kind: kind.nullable(),
  voice: z.boolean().nullable(),
  animated: z.boolean().nullable(),
  caption: text,
  file_name: text,
  upload_status: status,
  upload_attempts: count,
  max_attempts: count,
  error_code: text,
  error_message: text,
  size_bytes: count.nullable(),
  content_type: text,
  sent_at: time,
  created_at: time,
  uploaded_at: time.nullable(),
  expires_at: time,
  next_attempt_at: time,
})

const nextBefore = count.nullable().describe('Go on with `before` set to this; null: that was all.')

export const listShape = z.object({
  rows: z.array(rowShape),
  next_before: nextBefore,
  note: text.describe('Set when the search was bounded: what was not looked at.'),
})

export const fullRowShape = rowShape.extend({
  message_id: z.string(),
  bucket: z.string(),
  object_key: text,
  sha256: text,
  verified: z.boolean(),
  claim_token: count,
  lost_leases: count,
  leased_by: text,
  leased_until: time.nullable(),
  declared_mime_type: text,
  phone_number_id: z.string(),
})

export const eventShape = z.object({
  id: count,
  at: time,
  event: z.string(),
  worker: text,
  detail: z.record(z.string(), z.unknown()),
})

const explanation = z.object({
  title: z.string(),
  explanation: z.string(),
  advice: z.string(),
  retryable: z.boolean().describe('Another try can help.'),
})

export const openedShape = z.object({
  attachment: fullRowShape,
  events: z.array(eventShape),
  reason: explanation.nullable(),
  preview: z.enum(['image', 'audio', 'video']).nullable(),
})

export const failuresShape = z.object({
  codes: z.array(explanation.extend({ code: z.string(), count })),
})

export const rejectedRowShape = z.object({
  id: count,
  reason: z.string(),
  message_id: text,
  times: count,
  first_seen_at: time,
  last_seen_at: time,
  size_bytes: count,
})

export const rejectedShape = z.object({ rows: z.array(rejectedRowShape), next_before: nextBefore })

export const retriedIdsShape = z.object({ retried: z.array(count) })
export const retriedCountShape = z.object({ retried: count })
export const pausedShape = z.object({ paused: pause.nullable() })

export const errorShape = z.object({ error: z.string(), hint: z.string() })

/** A fixed list of filters; what is left out filters nothing. */
/** PostgreSQL has no text with a NUL or half a character in it: a search for one would look like a broken database. */
export const storable = z
  .string()
  .refine(given => given.isWellFormed() && !given.includes('\0'), 'holds a character that no text has')

export const listQuery = z.object({
  status: status.optional(),
  kind: kind.optional(),
  lead: z.coerce.number().int().positive().optional(),
  q: storable.max(200).optional().describe('Phone (any part of it), user id or part of the profile name.'),
  error: storable.max(100).optional().describe('An error code.'),
  text: storable.max(200).optional().describe('A part of the caption or the file name.'),
  before: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

export const rejectedQuery = z.object({ before: z.coerce.number().int().positive().optional() })

export type SummaryAnswer = z.output<typeof summaryShape>
export type ActivityAnswer = z.output<typeof activityShape>
export type FullRow = z.output<typeof fullRowShape>
export type StoryEvent = z.output<typeof eventShape>
export type Row = z.output<typeof rowShape>
export type RejectedAnswer = z.output<typeof rejectedShape>
export type Pause = z.output<typeof pause>
export type ListQuery = z.output<typeof listQuery>
