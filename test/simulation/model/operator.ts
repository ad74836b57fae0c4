import { z } from 'zod'
import type { UploadStatus } from '../../../src/attachment.ts'
import { wakeDaemons } from './canary.ts'
import { mayBeTakenOver, waits } from './claims.ts'
import { by, CONTROL, HOUR_MS, page, type SqlFunction, tell, timestamp } from './session.ts'

const pausedArgs = z.object({
  paused: z.boolean(),
  changed_by: z.string().nullish(),
  reason: z.string().nullish(),
})

export const setPipelinePaused: SqlFunction = (session, args) => {
  const { paused, changed_by = null, reason = null } = pausedArgs.parse(args)
  session.control.put(CONTROL, { paused, changed_by, reason, changed_at: session.now })
  tell(session, paused ? 'paused' : 'resumed', {}, { changed_by, reason })
  wakeDaemons(session)
  return { paused, changed_by, reason, changed_at: timestamp(session.now) }
}

const retryArgs = z.object({
  ids: z.array(z.number()).nullish(),
  code: z.string().nullish(),
  max: z.number().nullish().default(500),
})

export const retryAttachments: SqlFunction = (session, args) => {
  const { ids, code, max } = retryArgs.parse(args)
  const before = session.attachments
    .all()
    .filter(row => row.upload_status === 'FAILED' && row.whatsapp_media_id !== null)
    .filter(row => (ids?.includes(row.id) ?? true) && (code ?? row.error_code) === row.error_code)
    .sort(
      (a, b) =>
        Buffer.compare(Buffer.from(a.error_code ?? ''), Buffer.from(b.error_code ?? '')) || a.id - b.id,
    )
    .slice(0, page(max))
  for (const row of before) session.attachments.lock(row.id)
  const retried: number[] = []
  for (const row of before.sort(by(({ id }) => id))) {
    session.attachments.put(row.id, {
      ...row,
      upload_status: 'PENDING',
      upload_attempts: 0,
      lost_leases: 0,
      next_attempt_at: session.now,
      error_code: null,
      error_message: null,
      updated_at: session.now,
    })
    const { upload_attempts, lost_leases, error_code } = row
    tell(session, 'retried', { attachment: row.id }, { upload_attempts, lost_leases, error_code })
    retried.push(row.id)
  }
  if (retried.length > 0) wakeDaemons(session)
  return { retried }
}

export const pipelineSummary: SqlFunction = session => {
  const { now } = session
  const rows = session.attachments.all()
  const count = (status: UploadStatus) => rows.filter(row => row.upload_status === status).length
  const due = rows.filter(row => waits(row, now) || mayBeTakenOver(row, now))
  const open = rows.filter(({ upload_status: status }) => status === 'PENDING' || status === 'UPLOADING')
  const control = session.control.get(CONTROL)
  return {
    counts: {
      PENDING: count('PENDING'),
      UPLOADING: count('UPLOADING'),
      UPLOADED: count('UPLOADED'),
      FAILED: count('FAILED'),
    },
    due: due.length,
    oldest_due_at: due.length === 0 ? null : timestamp(Math.min(...due.map(({ next_attempt_at: at }) => at))),
    expiring_24h: open.filter(row => row.expires_at > now && row.expires_at <= now + 24 * HOUR_MS).length,
    rejected: session.rejects.all().length,
    paused:
      control?.paused === true
        ? {
            changed_by: control.changed_by,
            reason: control.reason,
            changed_at: timestamp(control.changed_at),
          }
        : null,
    daemons: session.canaries
      .all()
      .sort((a, b) => Buffer.compare(Buffer.from(a.worker), Buffer.from(b.worker)))
      .map(row => ({
        worker: row.worker,
        beat: row.beat,
        state: row.state,
        circuits: row.circuits,
        version: row.version,
        last_seen: timestamp(row.last_seen),
      })),
  }
}
