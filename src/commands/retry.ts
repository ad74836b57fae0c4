import { type Database, openDatabase } from '../database/database.ts'
import { UserError } from '../errors.ts'
import { environment, readSettings, supabaseOf } from '../settings.ts'

/** The database changes at most so many rows a call. */
const PAGE = 500

/**
 * `mediaferry retry ID…` or `retry --failed [--code C]`: FAILED rows are tried again, with all their attempts.
 * Answers the exit code: 1 when an id that was named is not a FAILED row.
 */
export async function retry(
  ids: readonly number[],
  options: { failed?: true; code?: string },
): Promise<number> {
  if (ids.length > 0 === (options.failed === true)) {
    throw new UserError('Name the attachments to retry, or all of them with --failed, and not both.', {
      hint: '`mediaferry retry 17 18`, or `mediaferry retry --failed --code integrity`',
    })
  }
  if (ids.length > 0 && options.code !== undefined) {
    throw new UserError('--code goes with --failed.')
  }
  const database = openDatabase(supabaseOf(readSettings(environment(), ['supabase'])))
  try {
    const retried =
      ids.length > 0 ? await retryThese(database, ids) : await retryAll(database, options.code ?? null)
    const left = ids.filter(id => !retried.has(id))
    process.stdout.write(`${retried.size} will be tried again\n`)
    if (left.length > 0) process.stderr.write(`not FAILED, and left alone: ${left.join(', ')}\n`)
    return left.length === 0 ? 0 : 1
  } finally {
    await database.close()
  }
}

async function retryThese(database: Database, ids: readonly number[]): Promise<Set<number>> {
  const retried = new Set<number>()
  for (let at = 0; at < ids.length; at += PAGE) {
    for (const id of await database.retry(ids.slice(at, at + PAGE), null, PAGE)) retried.add(id)
  }
  return retried
}

async function retryAll(database: Database, code: string | null): Promise<Set<number>> {
  const retried = new Set<number>()
  // Those that fail again meanwhile are not taken a second time: no more pages than there were FAILED rows for.
  const { counts } = await database.summary()
  for (let left = counts.FAILED; left > 0; left -= PAGE) {
    const page = await database.retry(null, code, PAGE)
    for (const id of page) retried.add(id)
    if (page.length < PAGE) break
  }
  return retried
}
