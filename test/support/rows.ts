import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { TestProject } from './project.ts'

/** A row of `attachments`; bigints are decimal text, as pg answers them. */
export interface AttachmentRow {
  readonly id: string
  readonly lead_id: string | null
  readonly whatsapp_media_id: string | null
  readonly kind: string | null
  readonly caption: string | null
  readonly file_name: string | null
  readonly upload_status: string
  readonly upload_attempts: number
  readonly max_attempts: number
  readonly next_attempt_at: Date
  readonly claim_token: string
  readonly lost_leases: number
  readonly leased_by: string | null
  readonly leased_until: Date | null
  readonly object_prefix: string
  readonly object_key: string | null
  readonly content_type: string | null
  readonly size_bytes: string | null
  readonly sha256: string | null
  readonly declared_sha256: string | null
  readonly verified: boolean
  readonly error_code: string | null
  readonly error_message: string | null
  readonly updated_at: Date
}

/** The one row of that message. */
export async function rowOf(project: TestProject, messageId: string): Promise<AttachmentRow> {
  const { rows } = await project.database.query<AttachmentRow>(
    'select * from public.attachments where message_id = $1',
    [messageId],
  )
  const [row] = rows
  if (row === undefined || rows.length > 1) throw new Error(`${rows.length} rows of message ${messageId}`)
  return row
}

/** Changes columns of a message's row, in SQL. */
export async function arrange(project: TestProject, messageId: string, change: string): Promise<void> {
  const { rowCount } = await project.database.query(
    `update public.attachments set ${change} where message_id = $1`,
    [messageId],
  )
  assert.equal(rowCount, 1)
}

export interface EventRow {
  readonly event: string
  readonly worker: string | null
  readonly detail: Readonly<Record<string, unknown>>
}

/** The story of an attachment, oldest first. */
export async function storyOf(project: TestProject, id: string): Promise<EventRow[]> {
  const { rows } = await project.database.query<EventRow>(
    'select event, worker, detail from public.system_events where attachment_id = $1 order by id',
    [id],
  )
  return rows
}

export const eventsOf = async (project: TestProject, id: string): Promise<string[]> =>
  (await storyOf(project, id)).map(({ event }) => event)

async function storage(project: TestProject, path: string, body?: unknown): Promise<Response> {
  return fetch(`${project.url}/storage/v1/object/${path}`, {
    headers: { apikey: project.secretKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
}

const listed = z.array(z.object({ name: z.string() }))

/** The keys of all objects that claims of this row have written and nobody has removed. */
export async function objectsOf(
  project: TestProject,
  row: Pick<AttachmentRow, 'id' | 'object_prefix'>,
): Promise<string[]> {
  const prefix = row.object_prefix
  const answer = await storage(project, 'list/attachments', { prefix, search: `${row.id}-`, limit: 100 })
  return listed.parse(await answer.json()).map(({ name }) => `${prefix}/${name}`)
}

/** Hash of the bytes that Storage gives out under that key, 64 hex digits. */
export async function hashOf(project: TestProject, key: string | null): Promise<string> {
  const answer = await storage(project, `attachments/${key}`)
  if (!answer.ok) throw new Error(`Storage has no ${key}: ${await answer.text()}`)
  return createHash('sha256')
    .update(new Uint8Array(await answer.arrayBuffer()))
    .digest('hex')
}

const state = z.object({
  media: z.array(z.object({ id: z.string(), resolved: z.number(), downloaded: z.number() })),
})

/** How often WhatsApp was asked for that file, and how often all of its bytes went out. */
export async function fetchesOf(
  project: TestProject,
  mediaId: string,
): Promise<{ resolved: number; downloaded: number }> {
  const { media } = state.parse(await project.control('GET', 'state'))
  const found = media.find(({ id }) => id === mediaId)
  if (found === undefined) throw new Error(`WhatsApp never had media ${mediaId}`)
  return { resolved: found.resolved, downloaded: found.downloaded }
}

/** UPLOADED, by that many attempts, and the object is byte for byte what was sent. */
export async function assertCarried(
  project: TestProject,
  message: { readonly id: string; readonly media: { readonly sha256: string } },
  expected: { readonly attempts: number; readonly lostLeases?: number } = { attempts: 1 },
): Promise<AttachmentRow> {
  const row = await rowOf(project, message.id)
  const sent = Buffer.from(message.media.sha256, 'base64').toString('hex')
  assert.equal(row.upload_status, 'UPLOADED', `${row.error_code}: ${row.error_message}`)
  assert.equal(row.upload_attempts, expected.attempts, 'attempts')
  assert.equal(row.lost_leases, expected.lostLeases ?? 0, 'lost leases')
  assert.equal(row.sha256, sent)
  assert.equal(await hashOf(project, row.object_key), sent)
  assert.deepEqual([row.leased_by, row.leased_until, row.error_code], [null, null, null])
  return row
}
