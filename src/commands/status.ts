import { openDatabase } from '../database/database.ts'
import { tidyText } from '../errors.ts'
import { environment, readSettings, supabaseOf } from '../settings.ts'

const STATES = ['PENDING', 'UPLOADING', 'UPLOADED', 'FAILED'] as const

/** `mediaferry status`: where all attachments are, and who is at work. */
export async function status(options: { json?: true }): Promise<void> {
  const database = openDatabase(supabaseOf(readSettings(environment(), ['supabase'])))
  try {
    const summary = await database.summary()
    process.stdout.write(options.json === true ? `${JSON.stringify(summary)}\n` : `${asText(summary)}\n`)
  } finally {
    await database.close()
  }
}

type Summary = Awaited<ReturnType<ReturnType<typeof openDatabase>['summary']>>

function asText(summary: Summary): string {
  const lines = STATES.map(state => `${state.padEnd(10)} ${String(summary.counts[state]).padStart(9)}`)
  if (summary.oldest_due_at !== null)
    lines.push(`${summary.due} due, the oldest since ${summary.oldest_due_at}`)
  if (summary.expiring_24h > 0) lines.push(`${summary.expiring_24h} will be deleted by Meta within 24 hours`)
  if (summary.rejected > 0)
    lines.push(`${summary.rejected} webhook payloads were not understood and are kept`)
  if (summary.paused !== null) {
    const { changed_by: by, reason, changed_at: since } = summary.paused
    lines.push(
      `Paused since ${since} by ${by ?? 'somebody'}${reason === null ? '' : ` (${tidyText(reason)})`}: \`mediaferry resume\` goes on`,
    )
  }
  lines.push(summary.daemons.length === 0 ? 'No daemon is running' : 'Daemons:')
  for (const daemon of summary.daemons)
    lines.push(`  ${daemon.worker}  ${daemon.state}  last seen ${daemon.last_seen}`)
  return lines.join('\n')
}
