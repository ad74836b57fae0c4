import { titleOf } from '../../reasons.ts'
import { type Look, moment, oneLine, type Paint } from '../terminal.ts'
import type { Lead, ListedRow, NewestRow, Outage, Overview, StatusSummary } from './read.ts'

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
    lines.push(
      look.paint(
        'yellow',
        rejected === 1
          ? '1 webhook payload was not understood: `mediaferry rejected`'
          : `${rejected} webhook payloads were not understood: \`mediaferry rejected\``,
      ),
    )
  if (paused !== null) {
    const by = oneLine(paused.changed_by ?? 'somebody')
    const why = paused.reason === null ? '' : ` (${oneLine(paused.reason, 200)})`
    const text = `Paused since ${moment(paused.changed_at)} by ${by}${why}: \`mediaferry resume\` goes on`
    lines.push(look.paint('yellow', text))
  }
  for (const outage of summary.outages) {
    const advice = oneLine(outage.advice, 500)
    lines.push(
      look.paint('red', `${outageText(outage)} Nothing is fetched, nothing is lost. What to do: ${advice}`),
    )
  }
  return lines
}

const NAMES: Readonly<Record<string, string>> = {
  whatsapp: 'WhatsApp',
  storage: 'Storage',
  database: 'The database',
}

/** What does not work, and what it said. */
export function outageText({ dependency, message }: Outage): string {
  const said = oneLine(message, 300)
  return `${NAMES[dependency]} is not usable: ${/[.!?…]$/.test(said) ? said : `${said}.`}`
}

/** The person as an operator knows them: by number, else by name. */
const senderText = (lead: Lead | null): string =>
  oneLine(lead?.phone ?? lead?.profile_name ?? lead?.user_id ?? '', 20)

function daemons({ daemons: all }: StatusSummary, look: Look): string[] {
  const none = all.some(({ alive }) => alive)
    ? []
    : [look.paint('yellow', 'No daemon is running: `mediaferry start`')]
  if (all.length === 0) return none
  const lines = all.map(({ worker, state, alive, circuits, version, last_seen: seen }) => {
    const open = Object.entries(circuits).flatMap(([name, is]) =>
      is === 'closed' ? [] : [`${NAMES[name] ?? name} not usable`],
    )
    const silent = !alive && state !== 'stopped'
    const told = [
      oneLine(worker),
      silent ? look.paint('red', 'not seen lately') : oneLine(state),
      ...open.map(text => look.paint('red', oneLine(text))),
      `${alive ? 'as of' : 'last seen'} ${moment(seen)}`,
      `version ${oneLine(version)}`,
    ]
    return `  ${told.join('  ')}`
  })
  return [...none, 'Daemons:', ...lines]
}

function newestTable(rows: readonly ListedRow[], look: Look): string {
  const head = ['id', 'received', 'status', 'attempts', 'from', 'kind', 'bytes', 'reason', 'file']
  return look.table(
    head,
    rows.map(row => [
      String(row.id),
      moment(row.created_at),
      statusText(look, row.upload_status),
      `${row.upload_attempts}/${row.max_attempts}`,
      senderText(row.lead),
      row.kind ?? '',
      row.size_bytes === null ? '' : String(row.size_bytes),
      row.error_code === null ? '' : oneLine(titleOf(row.error_code), 30),
      oneLine(row.file_name ?? '', 30),
    ]),
    ['id', 'attempts', 'bytes'],
  )
}
