import type { MediaKind, Row, UploadStatus } from './wire.ts'

const whole = new Intl.NumberFormat('en')
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

export const count = (value: number): string => whole.format(value)

/** "1 file", "1,204 files". */
export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

/** 1 MB is 2^20 bytes, as in the settings. */
export function bytes(value: number): string {
  let scaled = value
  let unit = 0
  while (scaled >= 999.95 && unit < UNITS.length - 1) {
    scaled /= 1024
    unit++
  }
  return `${tenths.format(scaled)} ${UNITS[unit]}`
}

const SPANS: readonly (readonly [seconds: number, one: string])[] = [
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
]

/** "3 minutes"; rounded down, "moments" below one second. */
export function span(ms: number): string {
  const seconds = Math.abs(ms) / 1000
  for (const [size, unit] of SPANS) {
    if (seconds >= size) return plural(Math.floor(seconds / size), unit)
  }
  return 'moments'
}

/** "3 minutes ago", "in 2 hours". */
export function ago(at: number, now: number): string {
  return at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`
}

const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })
const minute = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' })

/** In the reader's own time zone. */
export const dateAndTime = (iso: string): string => moment.format(new Date(iso))
export const hourAndMinute = (iso: string): string => minute.format(new Date(iso))

export const STATUS_WORDS: Readonly<Record<UploadStatus, string>> = {
  PENDING: 'Waiting',
  UPLOADING: 'Under way',
  UPLOADED: 'Arrived',
  FAILED: 'Failed',
}

export const STATUSES: readonly UploadStatus[] = ['PENDING', 'UPLOADING', 'UPLOADED', 'FAILED']
export const KINDS: readonly MediaKind[] = ['image', 'video', 'audio', 'document', 'sticker']

const KIND_WORDS: Readonly<Record<MediaKind, string>> = {
  image: 'Picture',
  video: 'Video',
  audio: 'Audio',
  document: 'Document',
  sticker: 'Sticker',
}

export function kindWord({ kind, voice }: Pick<Row, 'kind' | 'voice'>): string {
  if (kind === null) return 'File'
  return voice === true ? 'Voice note' : KIND_WORDS[kind]
}

/** What a person would call this file: its name, else its caption, else what kind of thing it is. */
export function nameOf(row: Pick<Row, 'kind' | 'voice' | 'caption' | 'file_name'>): string {
  return row.file_name || row.caption || kindWord(row)
}

export function senderOf({ lead, lead_id }: Pick<Row, 'lead' | 'lead_id'>): string {
  return (
    lead?.profile_name ||
    phoneOf(lead?.phone ?? null) ||
    (lead_id === null ? 'Nobody known' : `Lead ${lead_id}`)
  )
}

/** A file and its sender, with the id that `forget --lead` wants. */
export function fromWhom(row: Pick<Row, 'kind' | 'voice' | 'lead' | 'lead_id'>): string {
  const sender = senderOf(row)
  const lead = row.lead_id === null || sender === `Lead ${row.lead_id}` ? '' : ` (Lead ${row.lead_id})`
  return `${kindWord(row)} from ${sender}${lead}`
}

export const phoneOf = (phone: string | null): string => (phone === null || phone === '' ? '' : `+${phone}`)

/** `token_rejected` is "token rejected" for a reader. */
export const words = (code: string): string => code.replaceAll('_', ' ')
export const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

const SERVICES: Readonly<Record<string, string>> = {
  whatsapp: 'WhatsApp',
  storage: 'Storage',
  database: 'Database',
}
export const serviceName = (dependency: string): string => SERVICES[dependency] ?? dependency

const CIRCUITS: Readonly<Record<string, string>> = {
  closed: 'works',
  open: 'not usable',
  probing: 'being tried',
}
export const circuitWord = (state: string): string => CIRCUITS[state] ?? state

/** One daemon's circuits, of which only those that keep something back are named. */
export function circuitsText(circuits: Readonly<Record<string, string>>): string {
  const kept = Object.entries(circuits).filter(([, state]) => state !== 'closed')
  if (kept.length === 0) return 'all work'
  return kept.map(([dependency, state]) => `${serviceName(dependency)} ${circuitWord(state)}`).join(', ')
}
