import type { JsonObject } from '../model/database.ts'
import {
  type ClaimPick,
  type Command,
  type MessageSpec,
  NOT_THERE,
  type ResultSpec,
  WORKERS,
} from './commands.ts'

/** A claim as it was answered, by whatever transaction: also one that was rolled back. */
export interface KnownClaim {
  readonly id: number
  readonly token: number
  readonly prefix: string
  readonly worker: number
}

/** What the commands before have shown, the same on both sides. */
export interface Known {
  readonly ids: readonly number[]
  readonly claims: readonly KnownClaim[]
}

/** What differs between the sides: their clocks and their transaction ids. */
export interface Reckoning {
  /** ISO 8601. */
  hoursAgo(hours: number, extraMs: number): string
  /** `created_xid` of a row that `attachments_after` has answered. */
  xidOf(id: number): string | null
}

export interface Identities {
  readonly users: readonly string[]
  readonly phones: readonly string[]
}

export interface Request {
  readonly name: string
  readonly args: JsonObject
}

export type FunctionCommand = Exclude<Command, { readonly does: 'transaction' | 'advance' }>

/** The call of a SQL function that a command stands for. */
export function requestFor(
  command: FunctionCommand,
  known: Known,
  reckoning: Reckoning,
  identities: Identities,
): Request {
  const worker = WORKERS[workerOf(command, known)] ?? ''
  switch (command.does) {
    case 'ingest': {
      const messages = command.messages.map(spec => messageOf(spec, reckoning, identities))
      const rejected = command.rejected.map(n => ({ ...rejectOf(n), reason: 'not understood' }))
      return { name: 'ingest_whatsapp_messages', args: { messages, rejected } }
    }
    case 'claim': {
      const { max, hours } = command
      const ids = command.ids.map(pick => idOf(known, pick))
      return { name: 'claim_attachments', args: { worker, ids, max, lease: `${hours} hours` } }
    }
    case 'renew': {
      const claims = command.claims.map(({ claim, tokenOff }) => {
        const { id, token } = claimOf(known, claim)
        return { id, claim_token: token + tokenOff }
      })
      return { name: 'renew_leases', args: { worker, claims, lease: `${command.hours} hours` } }
    }
    case 'settle':
      return {
        name: 'settle_attachments',
        args: { worker, results: resultsOf(command.results, known) },
      }
    case 'release':
      return { name: 'release_claims', args: { worker } }
    case 'held':
      return { name: 'held', args: { worker } }
    case 'after': {
      const id = command.row === null ? null : idOf(known, command.row)
      const xid = id === null ? null : reckoning.xidOf(id)
      return { name: 'attachments_after', args: { xid, id: xid === null ? null : id, max: command.max } }
    }
    case 'beat': {
      const args = { worker, state: command.state, circuits: { storage: 'closed' }, version: '1.0.0' }
      return { name: 'beat_canary', args }
    }
    case 'record': {
      const events = command.rows.map(pick => ({
        attachment_id: pick === null ? null : idOf(known, pick),
        worker,
        event: command.event,
        detail: { declared: 'image/png' },
      }))
      return { name: 'record_events', args: { events } }
    }
    case 'retry': {
      const { rows, code, max } = command
      const ids = rows === null ? null : rows.map(pick => idOf(known, pick))
      return { name: 'retry_attachments', args: { ids, code, max } }
    }
    case 'pause': {
      const { paused, reason } = command
      return { name: 'set_pipeline_paused', args: { paused, changed_by: 'operator', reason } }
    }
    case 'summary':
      return { name: 'pipeline_summary', args: {} }
  }
}

/** Mostly the one whose claims they are. */
function workerOf(command: FunctionCommand, known: Known): number {
  if (!('worker' in command)) return 0
  if (command.worker !== 'own') return command.worker
  const [first] = picksOf(command)
  return first === undefined ? 0 : claimOf(known, first.claim).worker
}

function picksOf(command: FunctionCommand): readonly ClaimPick[] {
  if (command.does === 'settle') return command.results
  return command.does === 'renew' ? command.claims : []
}

/** The greatest pick is of a row that is not there. */
const idOf = ({ ids }: Known, pick: number): number =>
  (pick === NOT_THERE ? undefined : ids[pick % ids.length]) ?? 999

/** The late claims first, rather than those that everybody has forgotten. */
const claimOf = ({ claims }: Known, pick: number): KnownClaim =>
  (pick === NOT_THERE ? undefined : claims.at(-1 - (pick % claims.length))) ?? NOBODYS

const NOBODYS: KnownClaim = { id: 999, token: 1, prefix: '1', worker: 0 }

function messageOf(spec: MessageSpec, reckoning: Reckoning, { users, phones }: Identities): JsonObject {
  const { message, user, phone, media } = spec
  const file = {
    whatsapp_media_id: media === 'without id' ? null : `media-${message}`,
    kind: media === 'of unknown kind' ? 'hologram' : 'image',
    caption: 'a caption',
    file_name: null,
    voice: null,
    animated: null,
    declared_mime_type: 'image/jpeg',
    declared_sha256: 'AB'.repeat(32),
    error_code: media === 'with error' ? '131052' : null,
    error_message: media === 'with error' ? 'Too large.' : null,
  }
  return {
    message_id: `wamid.${String(message).padStart(3, '0')}`,
    phone_number_id: '106540352242922',
    // A millisecond of its own: rows that expire at the same moment have no order between them.
    sent_at: media === 'of unknown time' ? 'no time' : reckoning.hoursAgo(spec.sentHoursAgo + 0.5, message),
    max_attempts: spec.maxAttempts,
    contact: {
      user_id: user === null ? null : (users[user] ?? null),
      phone: phone === null ? null : (phones[phone] ?? null),
      profile_name: spec.name,
    },
    media: media === 'none' ? null : file,
    raw_base64: Buffer.from(`message ${message} ${media}`).toString('base64'),
  }
}

function rejectOf(n: number): JsonObject {
  const payload = Buffer.from(`payload ${n}`).toString('base64')
  return { message_id: null, phone_number_id: null, payload_base64: payload }
}

/** Each attachment once, as it has to be. */
function resultsOf(specs: readonly ResultSpec[], known: Known): JsonObject[] {
  const results = new Map(specs.map(spec => [claimOf(known, spec.claim).id, spec]))
  return [...results.values()].map(spec => resultOf(spec, known))
}

function resultOf(spec: ResultSpec, known: Known): JsonObject {
  const { id, token, prefix } = claimOf(known, spec.claim)
  const outcome = spec.fault === 'no outcome' ? null : spec.outcome
  const key = { id, claim_token: token + spec.tokenOff, outcome }
  if (spec.outcome !== 'uploaded') {
    const code = spec.outcome === 'failed' ? 'media_gone' : 'integrity'
    return {
      ...key,
      error_code: spec.fault === 'empty code' ? '' : code,
      error_message: 'What happened.',
      ...(spec.outcome === 'failed' ? {} : { retry_in_ms: spec.hours * 3_600_000 }),
    }
  }
  const owner = spec.fault === "another row's key" ? id + 1 : id
  return {
    ...key,
    object_key: `${prefix}/${owner}-${token}.jpg`,
    content_type: 'image/jpeg',
    size_bytes: 12,
    sha256: 'cd'.repeat(32),
    verified: true,
    notes: spec.note ? [{ event: 'type_differs', detail: { found: 'image/png' } }] : [],
  }
}
