import { type Client, openClient, rowsOf } from '../database/client.ts'
import { openDashboard } from '../database/dashboard.ts'
import { type Database, openDatabase } from '../database/database.ts'
import { UserError } from '../errors.ts'
import { environment, readSettings, supabaseOf } from '../settings.ts'

/** The database changes at most so many rows a call. */
const PAGE = 500

/**
 * `mediaferry retry ID…` or `retry --failed [--code C]`: FAILED rows are tried again, with all their attempts.
 * Answers the exit code: 1 when an id or a code that was named has no FAILED row.
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
  const project = supabaseOf(readSettings(environment(), ['supabase']))
  const client = openClient(project)
  const database = openDatabase(project, client)
  try {
    const retried =
      ids.length > 0 ? await retryThese(database, ids) : await retryAll(database, options.code ?? null)
    if (retried.size === 0 && options.code !== undefined) {
      const codes = await openDashboard(project, client).failures()
      throw new UserError(`No FAILED file has that code; ${codesText(codes)}`)
    }
    const left = ids.filter(id => !retried.has(id))
    const there = await thoseThere(client, left)
    process.stdout.write(`${retried.size} will be tried again\n`)
    const alone = left.filter(id => there.has(id))
    if (alone.length > 0) process.stderr.write(`not FAILED, and left alone: ${alone.join(', ')}\n`)
    for (const id of left) if (!there.has(id)) process.stderr.write(`there is no attachment ${id}\n`)
    return left.length === 0 ? 0 : 1
  } finally {
    await database.close()
  }
}

function codesText(codes: readonly { readonly code: string; readonly count: number }[]): string {
  if (codes.length === 0) return 'none is FAILED.'
  return `there are: ${codes.map(({ code, count }) => `${code} ${count}`).join(', ')}`
}

async function thoseThere({ from }: Client, ids: readonly number[]): Promise<Set<number>> {
  const there = new Set<number>()
  for (let at = 0; at < ids.length; at += PAGE) {
    const rows = rowsOf(
      await from('attachments')
        .select('id')
        .in('id', ids.slice(at, at + PAGE)),
    )
    for (const { id } of rows) there.add(id)
  }
  return there
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
