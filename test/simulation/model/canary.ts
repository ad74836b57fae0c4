import { z } from 'zod'
import { HOUR_MS, isPaused, type Session, type SqlFunction } from './session.ts'

const beatArgs = z.object({
  worker: z.string(),
  state: z.string(),
  circuits: z.record(z.string(), z.json()).nullish(),
  version: z.string(),
})

export const beatCanary: SqlFunction = (session, args) => {
  const { worker, state, circuits, version } = beatArgs.parse(args)
  session.canaries.lock(worker)
  const beat = (session.canaries.get(worker)?.beat ?? 0) + 1
  session.canaries.put(worker, {
    worker,
    beat,
    state,
    circuits: circuits ?? {},
    version,
    last_seen: session.now,
  })
  for (const row of session.canaries.all()) {
    const isOld = row.last_seen < session.now - 24 * HOUR_MS
    if (isOld && session.canaries.lockOrSkip(row.worker)) session.canaries.remove(row.worker)
  }
  return { beat, paused: isPaused(session) }
}

/** `mediaferry.wake_daemons`: nothing changes, and yet each row's UPDATE is announced. */
export function wakeDaemons(session: Session): void {
  const rows = session.canaries.all()
  for (const row of rows) session.canaries.lock(row.worker)
  for (const row of rows) session.canaries.put(row.worker, row)
}
