import { isAlive } from '../../alive.ts'
import type { Summary } from '../../database/answers.ts'
import { moment, oneLine } from '../terminal.ts'
import { failure, NOT_ASKED, ok, type Verdict, warning } from './finding.ts'

/** The worker that doctor itself is, while it listens for a row of its own. */
export const DOCTOR = 'doctor-'

const START = '`mediaferry start`, or `pm2 start ecosystem.config.cjs`'

/** Whether anybody carries files. `now`: milliseconds since 1970. */
export function daemonsVerdict(asked: Summary | null, now: number, canaryIntervalMs: number): Verdict {
  if (asked === null) return NOT_ASKED
  const daemons = asked.daemons.filter(({ worker }) => !worker.startsWith(DOCTOR))
  const alive = daemons.filter(seen => isAlive(seen, now, canaryIntervalMs))
  if (alive.length > 0) return ok(alive.length === 1 ? '1 is alive' : `${alive.length} are alive`)
  const last = daemons.toSorted((a, b) => Date.parse(b.last_seen) - Date.parse(a.last_seen))[0]
  // Before the first start, and where `sweep` alone carries the files, there is none to miss.
  if (last === undefined) return warning('None has been seen within a day.', START)
  const seen = `the last, ${oneLine(last.worker)}, was seen ${moment(last.last_seen)}`
  return failure(`None is alive: ${seen}. Nothing is fetched.`, START)
}

export function pauseVerdict(asked: Summary | null): Verdict {
  if (asked === null) return NOT_ASKED
  if (asked.paused === null) return ok('files are claimed')
  const { changed_at: since, changed_by: by, reason } = asked.paused
  const why = reason === null ? '' : `: ${oneLine(reason, 200)}`
  return warning(
    `Paused since ${moment(since)} by ${oneLine(by ?? 'somebody')}${why}. Nothing is fetched.`,
    'mediaferry resume',
  )
}
