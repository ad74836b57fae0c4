import { z } from 'zod'
import { by, page, type SqlFunction, timestamp } from './session.ts'

/** Stands for a cluster's identifier and a database's oid. */
const CLUSTER = '7000000000000000001/16384'

const afterArgs = z.object({
  xid: z.string().nullish(),
  id: z.number().nullish(),
  max: z.number().nullish().default(500),
})

export const attachmentsAfter: SqlFunction = (session, args) => {
  const { xid, id, max } = afterArgs.parse(args)
  const { horizon, next } = session.snapshot()
  const [cursorXid, cursorId] = [Number(xid ?? 0), id ?? 0]
  const rows = session.attachments
    .all()
    .filter(row => row.created_xid > cursorXid || (row.created_xid === cursorXid && row.id > cursorId))
    .filter(row => row.created_xid < horizon)
    .sort(
      by(
        row => row.created_xid,
        row => row.id,
      ),
    )
    .slice(0, page(max))
  const anchor = typeof id === 'number' ? session.attachments.get(id) : undefined
  return {
    cluster: CLUSTER,
    horizon: String(horizon),
    next: String(next),
    anchor: anchor === undefined ? null : String(anchor.created_xid),
    rows: rows.map(row => ({
      id: row.id,
      created_xid: String(row.created_xid),
      created_at: timestamp(row.created_at),
      upload_status: row.upload_status,
    })),
  }
}
