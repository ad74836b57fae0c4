import { type Look, moment, oneLine, type Paint } from '../terminal.ts'
import type { NewestRow, Overview, StatusSummary } from './read.ts'

const STATES = ['PENDING', 'UPLOADING', 'UPLOADED', 'FAILED'] as const

const COLOURS: Readonly<Record<NewestRow['upload_status'], Paint>> = {
  PENDING: 'yellow',
  UPLOADING: 'cyan',
  UPLOADED: 'green',
  FAILED: 'red',
}

/** A status in its colour, `width` characters wide. */
export const statusText = (look: Look, status: NewestRow['upload_status'], width = 0): string =>
  look.paint(COLOURS[status], status) + ' '.repeat(Math.max(0, width - status.length))

/** Where all attachments are, who is at work, and the newest ones. */
export function overviewText({ summary, newest }: Overview, look: Look): string {
  const parts = [
    STATES.map(state => `${statusText(look, state, 10)} ${String(summary.counts[state]).padStart(9)}`),
    warnings(summary, look),
    daemons(summary, look),
    newest.length === 0 ? [] : ['', newestTable(newest, look)],
  ]
  return parts.flat().join('\n')
}

/** The counts in one line, for a watcher in a pipe. */
export function overviewLine({ summary }: Overview): string {
  const counts = STATES.map(state => `${state} ${summary.counts[state]}`)
  return [...counts, `due ${summary.due}`, ...(summary.paused === null ? [] : ['paused'])].join('  ')
}

function warnings(summary: StatusSummary, look: Look): string[] {
  const { due, oldest_due_at: oldest, expiring_24h: expiring, rejected, paused } = summary
  const lines: string[] = []
  if (oldest !== null) lines.push(`${due} due, the oldest since ${moment(oldest)}`)
  if (expiring > 0) lines.push(look.paint('red', `${expiring} will be deleted by Meta within 24 hours`))
  if (rejected > 0)
    lines.push(look.paint('yellow', `${rejected} webhook payloads were not understood and are kept`))
  if (paused !== null) {
    const by = oneLine(paused.changed_by ?? 'somebody')
    const why = paused.reason === null ? '' : ` (${oneLine(paused.reason, 200)})`
    const text = `Paused since ${moment(paused.changed_at)} by ${by}${why}: \`mediaferry resume\` goes on`
    lines.push(look.paint('yellow', text))
  }
  return lines
}

function daemons({ daemons: all }: StatusSummary, look: Look): string[] {
  if (all.length === 0) return [look.paint('yellow', 'No daemon is running: `mediaferry start`')]
  const lines = all.map(({ worker, state, alive, circuits, version, last_seen: seen }) => {
    const open = Object.entries(circuits).flatMap(([name, is]) => (is === 'closed' ? [] : [`${name} ${is}`]))
    const silent = !alive && state !== 'stopped'
    const told = [
      oneLine(worker),
      silent ? look.paint('red', 'not seen lately') : oneLine(state),
      ...open.map(text => look.paint('red', oneLine(text))),
      `last seen ${moment(seen)}`,
      `version ${oneLine(version)}`,
    ]
    return `  ${told.join('  ')}`
  })
  return ['Daemons:', ...lines]
}

function newestTable(rows: readonly NewestRow[], look: Look): string {
  const head = ['id', 'received', 'status', 'attempts', 'kind', 'bytes', 'reason', 'file']
  return look.table(
    head,
    rows.map(row => [
      String(row.id),
      moment(row.created_at),
      statusText(look, row.upload_status),
      `${row.upload_attempts}/${row.max_attempts}`,
      row.kind ?? '',
      row.size_bytes === null ? '' : String(row.size_bytes),
      row.error_code === null ? '' : oneLine(row.error_code, 30),
      oneLine(row.file_name ?? '', 30),
    ]),
    ['id', 'attempts', 'bytes'],
  )
}
