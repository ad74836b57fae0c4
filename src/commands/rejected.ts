import { extractBatch } from '../../supabase/functions/whatsapp-webhook/extract.ts'
import type { Ingested, RejectedPayload, Upkeep } from '../database/upkeep.ts'
import { UserError } from '../errors.ts'
import type { Settings } from '../settings.ts'
import { INTERRUPTED } from './stop-signal.ts'
import { lookOf, moment, oneLine } from './terminal.ts'
import { openArchive, untilStopped } from './upkeep/archive.ts'
import { inEnvelope } from './upkeep/envelope.ts'
import { printable } from './upkeep/printable.ts'

export interface RejectedOptions {
  readonly show?: number
  readonly reprocess?: true
  /** So many of the list. */
  readonly limit: number
  readonly json?: true
}

/** The database gives at most so many a call. */
const PAGE = 500

/**
 * `mediaferry rejected`: what the webhook could not understand; `--show ID` one of them as text; `--reprocess` reads
 * each again, as this version's webhook does, and lets go of what it understands now. Answers the exit code: with
 * `--reprocess` 1 when something is still refused.
 */
export async function rejected(options: RejectedOptions): Promise<number> {
  if (options.show !== undefined && options.reprocess === true) {
    throw new UserError('--show looks at one, --reprocess tries all: one of the two at a time.')
  }
  const archive = openArchive()
  try {
    if (options.show !== undefined) return await show(archive.upkeep, options.show, options.json)
    if (options.reprocess === true) return await reprocess(archive.upkeep, archive.settings, options.json)
    return await list(archive.upkeep, options)
  } finally {
    await archive.close()
  }
}

async function list(upkeep: Upkeep, { limit, json }: RejectedOptions): Promise<number> {
  const { rows, next_before } = await upkeep.rejected(undefined, Math.min(limit, PAGE))
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ rows, next_before })}\n`)
    return 0
  }
  if (rows.length === 0) {
    process.stdout.write('nothing was rejected\n')
    return 0
  }
  const cells = rows.map(row => [
    String(row.id),
    moment(row.last_seen_at),
    String(row.times),
    String(row.size_bytes),
    oneLine(row.reason, 80),
  ])
  const look = lookOf(process.stdout)
  const more = next_before === null ? '' : `\nThese are the newest ${rows.length}; --limit shows more.`
  const table = look.table(['id', 'last seen', 'times', 'bytes', 'reason'], cells, ['id', 'times', 'bytes'])
  process.stdout.write(`${table}${more}\n`)
  return 0
}

async function show(upkeep: Upkeep, id: number, json: true | undefined): Promise<number> {
  const found = await upkeep.payload(id)
  if (found === undefined) {
    throw new UserError(`There is no rejected payload ${id}.`, { hint: '`mediaferry rejected` lists them.' })
  }
  const { reason, bytes } = found
  if (json === true) {
    const answer = { id, reason, payload: bytes.toString(), payload_base64: bytes.toString('base64') }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  } else {
    process.stderr.write(`${oneLine(reason, 500)}\n`)
    process.stdout.write(`${printable(bytes.toString())}\n`)
  }
  return 0
}

interface Tried {
  readonly id: number
  /** Files and messages that are in now, or were in already. */
  readonly taken: readonly Ingested[]
  /** Why it is still refused; null when it is not. */
  readonly refused: string | null
}

async function reprocess(upkeep: Upkeep, settings: Settings, json: true | undefined): Promise<number> {
  const signal = untilStopped()
  const all: Tried[] = []
  for await (const id of idsOf(upkeep)) {
    if (signal.aborted) break
    const found = await upkeep.payload(id)
    // Somebody else removed it meanwhile.
    if (found === undefined) continue
    const tried = await tryAgain(upkeep, settings, found)
    if (tried.refused === null) await upkeep.removeRejected(id)
    all.push(tried)
    if (json !== true) process.stdout.write(`${describe(tried)}\n`)
  }
  const left = all.filter(({ refused }) => refused !== null).length
  if (json === true) process.stdout.write(`${JSON.stringify({ tried: all })}\n`)
  else process.stdout.write(`${all.length - left} taken in, ${left} still refused\n`)
  if (signal.aborted) return INTERRUPTED
  return left === 0 ? 0 : 1
}

/** Downwards, so that none that comes meanwhile is tried, and none twice. */
async function* idsOf(upkeep: Upkeep): AsyncGenerator<number> {
  for (let before: number | undefined; ; ) {
    const { rows, next_before } = await upkeep.rejected(before, PAGE)
    for (const { id } of rows) yield id
    if (next_before === null) return
    before = next_before
  }
}

/**
 * Nothing is kept twice: what is refused again stays as the row that it is. A part whose neighbours are fine goes in
 * beside them, and the whole stays too.
 */
async function tryAgain(upkeep: Upkeep, settings: Settings, payload: RejectedPayload): Promise<Tried> {
  const { id, bytes, phone_number_id: phoneNumberId } = payload
  const batch = extractBatch(inEnvelope(bytes, phoneNumberId), {
    bucket: settings.STORAGE_BUCKET,
    maxAttempts: settings.MAX_ATTEMPTS,
    now: Date.now(),
  })
  const [unread] = batch.rejected
  const answers = batch.messages.length === 0 ? [] : await upkeep.ingest(batch.messages)
  const taken = answers.filter(({ outcome }) => outcome !== 'rejected')
  const refusedByDatabase = answers.length > taken.length ? 'the database refuses its content' : null
  return { id, taken, refused: unread?.reason ?? refusedByDatabase }
}

function describe({ id, taken, refused }: Tried): string {
  if (refused !== null) return `${id}: still refused, ${oneLine(refused, 200)}`
  if (taken.length === 0) return `${id}: understood, and nothing in it concerns us`
  const files = taken.flatMap(({ attachment_id: file }) => file ?? [])
  const isNew = taken.some(({ outcome }) => outcome === 'new')
  const what = files.length === 0 ? 'a message without a file' : `attachment ${files.join(', ')}`
  return `${id}: ${isNew ? 'taken in' : 'was in already'}, ${what}`
}
