import { UserError } from '../errors.ts'
import { downloadName } from '../ops/files.ts'
import { supabaseOf } from '../settings.ts'
import { openStatus } from './status/read.ts'
import { nextStep } from './status/story.ts'
import { oneLine } from './terminal.ts'
import { openArchive } from './upkeep/archive.ts'

export interface UrlOptions {
  /** Milliseconds that the URL works. */
  readonly expires: number
  readonly download?: true
  readonly json?: true
}

const NEVER = new AbortController().signal

/** `mediaferry url ID`: a signed URL, alone on its line, for a browser, a mail or `curl`. */
export async function url(id: number, options: UrlOptions): Promise<void> {
  const archive = openArchive()
  const status = openStatus(supabaseOf(archive.settings), archive.settings.CANARY_INTERVAL)
  try {
    const story = await status.story(id)
    if (story === undefined) {
      throw new UserError(`There is no attachment ${id}.`, { hint: '`mediaferry status` lists the newest.' })
    }
    const { upload_status, error_code, error_message, bucket, object_key, file_name } = story.attachment
    if (object_key === null) {
      const why = [error_code, error_message].filter(text => text !== null).map(text => oneLine(text, 500))
      throw new UserError(
        `Attachment ${id} is ${upload_status} and has no object yet${why.length === 0 ? '' : ` (${why.join(': ')})`}.`,
        { hint: nextStep(story, Date.now()) },
      )
    }
    const seconds = Math.ceil(options.expires / 1000)
    const download = options.download === true ? downloadName(file_name, id, object_key) : null
    const expiresAt = new Date(Date.now() + seconds * 1000).toISOString()
    const signed = await archive.storage.signUrl({ bucket, key: object_key, seconds, download }, NEVER)
    if (signed === null) {
      throw new UserError(`Attachment ${id} is UPLOADED, but its object ${object_key} is not in Storage.`, {
        hint: `\`mediaferry verify --repair --after ${id - 1} --limit 1\` has it fetched again while Meta still has it.`,
      })
    }
    const said = options.json === true ? JSON.stringify({ id, url: signed, expires_at: expiresAt }) : signed
    process.stdout.write(`${said}\n`)
  } finally {
    await Promise.all([archive.close(), status.close()])
  }
}
