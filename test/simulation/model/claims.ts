import { z } from 'zod'
import { checkWorker, interval } from './arguments.ts'
import type { AttachmentRow, JsonObject } from './rows.ts'
import { by, HOUR_MS, isPaused, page, type Session, type SqlFunction, tell, timestamp } from './session.ts'

const claimArgs = z.object({
  worker: z.string(),
  ids: z.array(z.number()),
  max: z.number(),
  lease: interval,
})

const leaseEnd = (row: AttachmentRow): number => row.leased_until ?? Number.NEGATIVE_INFINITY

export const waits = (row: AttachmentRow, now: number): boolean =>
  row.upload_status === 'PENDING' && row.next_attempt_at <= now

/** Its worker is gone, or it was released. */
const abandoned = (row: AttachmentRow, now: number): boolean =>
  row.upload_status === 'UPLOADING' && leaseEnd(row) <= now

/** What it has lost once the claim that it carries is dead. */
const lostBy = (row: AttachmentRow): number => row.lost_leases + (row.leased_until === null ? 0 : 1)

/** `mediaferry.suspect_pause`, in milliseconds. */
function suspectPause(lost: number): number {
  if (lost < 2) return 0
  if (lost === 2) return 30_000
  return lost === 3 ? 120_000 : 480_000
}

/** `limit … for no key update skip locked`: what is locked does not count towards the limit. */
function lockSkipping(
  session: Session,
  candidates: readonly AttachmentRow[],
  limit: number,
): AttachmentRow[] {
  const locked: AttachmentRow[] = []
  for (const row of candidates) {
    if (locked.length >= limit) break
    if (session.attachments.lockOrSkip(row.id)) locked.push(row)
  }
  return locked
}

/** `mediaferry.fail_lost_workers`. */
function failLostWorkers(session: Session): number[] {
  const candidates = session.attachments
    .all()
    .filter(row => abandoned(row, session.now) && lostBy(row) >= 5)
    .sort(by(row => row.id))
  const dead = lockSkipping(session, candidates, 500)
  for (const row of dead) {
    session.attachments.put(row.id, {
      ...row,
      upload_status: 'FAILED',
      lost_leases: lostBy(row),
      leased_by: null,
      leased_until: null,
      error_code: 'worker_lost',
      error_message: 'Five workers in turn stopped or fell silent while they had this file.',
      updated_at: session.now,
    })
    const detail = { error_code: 'worker_lost', claim_token: row.claim_token, lost_leases: lostBy(row) }
    tell(session, 'failed', { attachment: row.id, worker: row.leased_by }, detail)
  }
  return dead.map(row => row.id)
}

/** Somebody may take it over now: it is no suspect, or its pause is over. */
export const mayBeTakenOver = (row: AttachmentRow, now: number): boolean =>
  abandoned(row, now) && (lostBy(row) < 2 || died(row) <= now - suspectPause(lostBy(row)))

const died = (row: AttachmentRow): number => row.leased_until ?? row.updated_at

/** `mediaferry.next_suspect`. */
function nextSuspect(session: Session): AttachmentRow[] {
  const { now } = session
  const rows = session.attachments.all()
  for (const lost of [2, 3, 4]) {
    const dead = rows.filter(row => lostBy(row) === lost && mayBeTakenOver(row, now))
    const found = lockSkipping(session, dead.sort(by(died, row => row.id)), 1)
    if (found.length > 0) return found
  }
  const givenBack = rows.filter(row => row.lost_leases >= 2 && waits(row, now))
  const order = by<AttachmentRow>(
    row => row.next_attempt_at,
    row => row.id,
  )
  return lockSkipping(session, givenBack.sort(order), 1)
}

export const claimAttachments: SqlFunction = (session, args) => {
  const { worker, ids, max, lease } = claimArgs.parse(args)
  const wanted = page(max)
  checkWorker(worker, lease)
  if (isPaused(session)) return { paused: true, claims: [], worker_lost: [] }
  if (wanted === 0) return { paused: false, claims: [], worker_lost: [] }
  const workerLost = failLostWorkers(session)

  const suspect = nextSuspect(session)
  const chosen = suspect.length > 0 ? suspect : ordinaryRows(session, ids, wanted)
  const claims = chosen.map(row => take(session, row, worker, lease))
  return { paused: false, claims, worker_lost: workerLost }
}

function ordinaryRows(session: Session, ids: readonly number[], wanted: number): AttachmentRow[] {
  const { now } = session
  const chosen: AttachmentRow[] = []
  const choose = (
    limit: number,
    due: (row: AttachmentRow) => boolean,
    ...order: ((row: AttachmentRow) => number)[]
  ) => {
    const candidates = session.attachments
      .all()
      .filter(row => lostBy(row) < 2 && due(row) && !chosen.some(({ id }) => id === row.id))
      .sort(by(...order))
    chosen.push(...lockSkipping(session, candidates, limit))
  }
  const urgent = (row: AttachmentRow) => row.expires_at > now && row.expires_at <= now + 24 * HOUR_MS
  const rest = () => wanted - chosen.length
  const woken = (row: AttachmentRow) => ids.includes(row.id) && (waits(row, now) || abandoned(row, now))
  choose(Math.trunc((wanted + 1) / 2), woken, row => -row.id)
  choose(
    rest(),
    row => abandoned(row, now) && urgent(row),
    row => row.expires_at,
    row => row.id,
  )
  choose(
    rest(),
    row => waits(row, now) && urgent(row),
    row => row.expires_at,
    row => row.next_attempt_at,
  )
  choose(
    rest(),
    row => abandoned(row, now),
    row => row.next_attempt_at,
    row => row.id,
  )
  choose(
    rest(),
    row => waits(row, now),
    row => row.next_attempt_at,
    row => row.id,
  )
  return chosen
}

function take(session: Session, row: AttachmentRow, worker: string, leaseMs: number): JsonObject {
  const lost = row.upload_status === 'UPLOADING' && row.leased_until !== null
  const taken: AttachmentRow = {
    ...row,
    upload_status: 'UPLOADING',
    claim_token: row.claim_token + 1,
    lost_leases: row.lost_leases + (lost ? 1 : 0),
    leased_by: worker,
    leased_until: session.now + leaseMs,
    updated_at: session.now,
  }
  session.attachments.put(row.id, taken)
  if (lost) {
    const detail = { claim_token: row.claim_token, lost_leases: taken.lost_leases, taken_by: worker }
    tell(session, 'lease_lost', { attachment: row.id, worker: row.leased_by }, detail)
  }
  return {
    id: taken.id,
    claim_token: taken.claim_token,
    lead_id: taken.lead_id,
    message_id: taken.message_id,
    whatsapp_media_id: taken.whatsapp_media_id,
    phone_number_id: taken.phone_number_id,
    kind: taken.kind,
    file_name: taken.file_name,
    declared_mime_type: taken.declared_mime_type,
    declared_sha256: taken.declared_sha256,
    expires_at: timestamp(taken.expires_at),
    upload_attempts: taken.upload_attempts,
    max_attempts: taken.max_attempts,
    lost_leases: taken.lost_leases,
    bucket: taken.bucket,
    object_prefix: taken.object_prefix,
    created_at: timestamp(taken.created_at),
    due_at: timestamp(taken.next_attempt_at),
  }
}
