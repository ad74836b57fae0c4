import type { FullRow, StoryEvent } from '../api-shapes.ts'
import { explain } from './failure-answer.ts'
import { downloadName, previewOf } from './files.ts'
import { Refusal } from './refusal.ts'
import type { OpsSources } from './sources.ts'

export interface Story {
  readonly attachment: FullRow
  readonly events: readonly StoryEvent[]
}

/** The answer of `/api/attachments/{id}`. */
export const opened = ({ attachment, events }: Story) => ({
  attachment,
  events,
  reason: attachment.error_code === null ? null : explain(attachment.error_code, attachment),
  preview: attachment.object_key === null ? null : previewOf(attachment.content_type),
})

/** Long enough to begin a download: Storage looks at it once. */
const SIGNED_SECONDS = 60

/** Sends the browser on to Storage: the bytes never pass through the daemon. */
export async function fileAnswer(
  row: FullRow,
  download: boolean,
  signFile: OpsSources['signFile'],
): Promise<Response> {
  const { id, bucket, object_key: key } = row
  if (key === null) {
    throw new Refusal(
      409,
      `Attachment ${id} is ${row.upload_status}: it has no file yet.`,
      'Its story says why.',
    )
  }
  const shown = !download && previewOf(row.content_type) !== null
  const name = shown ? null : downloadName(row.file_name, id, key)
  const url = await signFile({ bucket, key, seconds: SIGNED_SECONDS, download: name })
  if (url === null) {
    throw new Refusal(
      404,
      `Storage has no object ${key}.`,
      '`mediaferry verify --repair` fetches it again while WhatsApp has it.',
    )
  }
  return new Response(null, { status: 302, headers: { location: url, 'cache-control': 'no-store' } })
}
