import ms from 'ms'
import { reasonFor } from '../../reasons.ts'
import { type Look, moment, oneLine } from '../terminal.ts'
import { outageText, statusText } from './overview.ts'
import type { AttachmentRow, EventRow, Lead, Story } from './read.ts'

/** One attachment: where it is, why, what happened to it, and what to do next. `now`: ms since 1970. */
export function storyText(story: Story, look: Look, now: number): string {
  const { attachment, lead, events } = story
  const title = `${look.paint('bold', `Attachment ${attachment.id}`)} is ${statusText(look, attachment.upload_status)}`
  const why = reasonLines(attachment, look)
  return [
    `${title}, ${attachment.upload_attempts} of ${attachment.max_attempts} attempts used`,
    '',
    ...facts(attachment, lead).map(([name, text]) => `  ${name.padEnd(11)} ${text}`),
    ...(why.length === 0 ? [] : ['', ...why]),
    '',
    `${look.paint('bold', 'Next:')} ${nextStep(story, now)}`,
    '',
    look.paint('bold', 'What happened'),
    ...(events.length === 0
      ? ['  nothing is recorded any more']
      : events.map(event => eventLine(event, look))),
  ].join('\n')
}

function facts(row: AttachmentRow, lead: Lead | null): [string, string][] {
  const kind = row.voice === true ? 'voice note' : row.animated === true ? 'animated sticker' : row.kind
  const type = row.content_type ?? row.declared_mime_type
  const from = [lead?.phone, lead?.user_id, lead?.profile_name].filter(text => typeof text === 'string')
  const all: [string, string | null][] = [
    [
      'from',
      `${from.length === 0 ? 'unknown' : from.map(text => oneLine(text)).join(', ')}${row.lead_id === null ? '' : ` (lead ${row.lead_id})`}`,
    ],
    [
      'file',
      [kind ?? 'file', type, row.file_name]
        .filter(text => text !== null)
        .map(text => oneLine(text))
        .join(', '),
    ],
    ['caption', row.caption === null ? null : oneLine(row.caption, 200)],
    ['sent', `${moment(row.sent_at)}, received ${moment(row.created_at)}`],
    ['message', oneLine(row.message_id, 100)],
    ['in Storage', row.object_key === null ? null : `${oneLine(row.bucket)}/${oneLine(row.object_key, 200)}`],
    ['bytes', row.size_bytes === null ? null : String(row.size_bytes)],
    [
      'SHA-256',
      row.sha256 === null
        ? null
        : `${row.sha256}, ${row.verified ? 'as WhatsApp declared it' : 'WhatsApp had declared none'}`,
    ],
    ['worker', row.leased_by === null ? null : oneLine(row.leased_by)],
    [
      'Meta keeps',
      row.upload_status === 'UPLOADED' || row.error_code === 'media_gone'
        ? null
        : `it until ${moment(row.expires_at)}`,
    ],
  ]
  return all.flatMap(([name, text]): [string, string][] => (text === null ? [] : [[name, text]]))
}

function reasonLines({ error_code: code, error_message: message }: AttachmentRow, look: Look): string[] {
  if (code === null) return []
  const meaning = reasonFor(code)?.meaning ?? 'The reason has no explanation in this version.'
  const said = message === null ? [] : [look.paint('dim', `  (${oneLine(code)}: ${oneLine(message, 500)})`)]
  return [`${look.paint('bold', 'Why:')} ${meaning}`, ...said]
}

/** What the one who asks should do now, in one line. */
export function nextStep(story: Story, now: number): string {
  const { attachment: row, summary } = story
  const reason = row.error_code === null ? undefined : reasonFor(row.error_code)
  const advice = reason?.advice
  switch (row.upload_status) {
    case 'UPLOADED':
      return `\`mediaferry url ${row.id}\` makes a link to it.`
    case 'FAILED':
      if (reason?.final === true) {
        return reason.unless === undefined
          ? reason.advice
          : `${reason.advice} Only if ${reason.unless}: mend that, then \`mediaferry retry ${row.id}\`.`
      }
      return `${advice ?? 'Mend what the reason names.'} This one alone: \`mediaferry retry ${row.id}\`.`
    case 'UPLOADING':
      if (row.leased_until !== null && Date.parse(row.leased_until) > now) {
        return 'Nothing: a daemon has it in hand.'
      }
      if (!isAnyAlive(story)) {
        return 'The daemon that had it is gone, and no daemon is running: `mediaferry start`.'
      }
      return row.lost_leases + (row.leased_until === null ? 0 : 1) < 2
        ? 'The daemon that had it is gone; the next one to look takes it over.'
        : 'It has cost daemons their lease: it is taken over by itself, alone and after a pause of up to 8 minutes.'
    case 'PENDING':
      if (summary.paused !== null) return 'Everything is paused: `mediaferry resume`.'
      if (!isAnyAlive(story)) return 'No daemon is running: `mediaferry start`.'
      if (summary.outages.length > 0) {
        const what = summary.outages.map(outage => `${outageText(outage)} ${oneLine(outage.advice, 500)}`)
        return `Nothing is lost: it waits, because ${what.join(' ')} It goes on by itself when that is mended.`
      }
      if (advice === undefined) return waits(row, now)
      return `${waits(row, now)} ${row.upload_attempts > 0 ? 'Should it end FAILED: ' : ''}${advice}`
  }
}

const isAnyAlive = ({ summary }: Story): boolean => summary.daemons.some(({ alive }) => alive)

function waits({ next_attempt_at: at }: AttachmentRow, now: number): string {
  const left = Date.parse(at) - now
  return left > 0
    ? `It is tried again by itself at ${moment(at)}, in ${ms(left)}.`
    : 'It is due: a free lane takes it. When it stays so, `mediaferry doctor` says what is in the way.'
}

/** One event in plain words; the detail of an event that this version does not know is shown as it is. */
export function eventLine({ created_at: at, event, worker, detail }: EventRow, look: Look): string {
  const fields = new Map(
    typeof detail === 'object' && detail !== null && !Array.isArray(detail) ? Object.entries(detail) : [],
  )
  const field = (name: string) => {
    const value = fields.get(name)
    return value === undefined || value === null ? '' : oneLine(String(value), 300)
  }
  const by = worker === null ? '' : look.paint('dim', `  by ${oneLine(worker)}`)
  return `  ${moment(at)}  ${wordsFor(event, field, [...fields])}${by}`
}

const attempts = (count: string): string => `${count} attempt${count === '1' ? '' : 's'}`

function wordsFor(
  event: string,
  field: (name: string) => string,
  fields: readonly (readonly [string, unknown])[],
): string {
  const attempt = `attempt ${field('attempt')} of ${field('max_attempts')}`
  const why = [field('error_code'), field('error_message')].filter(text => text !== '').join(': ')
  switch (event) {
    case 'received':
      return 'the webhook told us of it'
    case 'uploaded':
      return `uploaded at ${attempt}: ${field('size_bytes')} bytes`
    case 'retry':
      return `${attempt} failed, again in ${ms(Number(field('retry_in_ms')) || 0)}: ${why}`
    case 'failed':
      return field('attempt') === '' ? `FAILED: ${why}` : `FAILED at ${attempt}: ${why}`
    case 'retried':
      return `somebody asked for another try after ${attempts(field('upload_attempts'))} (${field('error_code')})`
    case 'retry_requested':
      return `that was asked for by ${field('changed_by')}`
    case 'lease_lost':
      return `its daemon died or fell silent (${field('lost_leases')} times now)`
    case 'type_differs':
      return `declared as ${field('declared')}, found to be ${field('found')}; the hash decides`
    case 'found_stored':
      return 'an earlier claim had stored it already'
    case 'refetch':
      return `its object was not sound (${field('problem')}): it is fetched again`
    case 'object_lost':
      return `its object was not sound (${field('problem')}), and WhatsApp has it no more`
    default:
      return [
        oneLine(event),
        fields.length === 0 ? '' : oneLine(JSON.stringify(Object.fromEntries(fields)), 300),
      ]
        .join(' ')
        .trim()
  }
}
