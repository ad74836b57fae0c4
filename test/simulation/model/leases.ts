import { z } from 'zod'
import { checkList, checkWorker, interval } from './arguments.ts'
import type { AttachmentRow } from './rows.ts'
import { by, type Session, type SqlFunction, tell } from './session.ts'

const renewArgs = z.object({
  worker: z.string(),
  claims: z.array(z.object({ id: z.number(), claim_token: z.number() })),
  lease: interval,
})

const holds = (row: AttachmentRow, worker: string): boolean =>
  row.upload_status === 'UPLOADING' && row.leased_by === worker

/** Locks them in the order of their ids. */
function lockAll(session: Session, rows: readonly AttachmentRow[]): AttachmentRow[] {
  const sorted = rows.toSorted(by(row => row.id))
  for (const row of sorted) session.attachments.lock(row.id)
  return sorted
}

export const renewLeases: SqlFunction = (session, args) => {
  checkList(args.claims, 'claims')
  const { worker, claims, lease } = renewArgs.parse(args)
  checkWorker(worker, lease)
  const given = new Set(claims.map(({ id, claim_token }) => `${id} ${claim_token}`))
  const ours = session.attachments
    .all()
    .filter(
      row => holds(row, worker) && row.leased_until !== null && given.has(`${row.id} ${row.claim_token}`),
    )
  const held = lockAll(session, ours).map(row => {
    session.attachments.put(row.id, { ...row, leased_until: session.now + lease })
    return { id: row.id, claim_token: row.claim_token }
  })
  return { held }
}

const workerArgs = z.object({ worker: z.string() })

export const releaseClaims: SqlFunction = (session, args) => {
  const { worker } = workerArgs.parse(args)
  const leftOver = session.attachments.all().filter(row => holds(row, worker) && row.leased_until !== null)
  const released: number[] = []
  const workerLost: number[] = []
  for (const row of lockAll(session, leftOver)) {
    const lost = row.lost_leases + 1
    session.attachments.put(row.id, {
      ...row,
      leased_until: null,
      lost_leases: lost,
      updated_at: session.now,
    })
    const detail = { claim_token: row.claim_token, lost_leases: lost, released: true }
    tell(session, 'lease_lost', { attachment: row.id, worker }, detail)
    released.push(row.id)
    if (lost >= 5) workerLost.push(row.id)
  }
  return { released, worker_lost: workerLost }
}

/** No function but the daemon's own query: the claims that the database thinks this worker has. */
export const held: SqlFunction = (session, args) => {
  const { worker } = workerArgs.parse(args)
  return session.attachments
    .all()
    .filter(row => holds(row, worker) && row.leased_until !== null)
    .sort(by(row => row.id))
    .map(row => ({ id: row.id, claim_token: row.claim_token }))
}
