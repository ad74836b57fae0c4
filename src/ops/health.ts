import { adviceFor } from '../../machines/advice.ts'
import type { CircuitView, DaemonView, RealtimeView } from './sources.ts'

/** `down`: it cannot work now. `degraded`: files arrive, and somebody should look all the same. */
export interface Health {
  readonly status: 'ready' | 'degraded' | 'down'
  /** Each with what to do about it. */
  readonly reasons: readonly string[]
}

const NOT_WORKING: Readonly<Record<string, string>> = {
  starting: 'starting: the state file and the connections are being opened.',
  recovering: 'starting: what an earlier life has left behind is being settled.',
  draining: 'draining: it was told to stop, and finishes what is under way.',
  closing: 'stopping: everything is being closed.',
  stopped: 'stopped.',
  failed: 'failed: the log says why.',
}

/** Can this daemon work? Decided from what it knows of itself, without a question to anybody. */
export function healthOf(daemon: DaemonView, concurrency: number): Health {
  const lifecycle = daemon.lifecycle()
  const stopped = NOT_WORKING[lifecycle]
  if (stopped !== undefined) return { status: 'down', reasons: [stopped] }
  const open = daemon.circuits().filter(({ state }) => state !== 'closed')
  const limited = open.filter(({ outage }) => outage?.code.endsWith('rate_limited'))
  const lanes = daemon.lanes()
  const realtime = daemon.realtime()
  const reasons = [
    ...open.map(circuitReason),
    ...(lanes.limit < concurrency
      ? [
          `WhatsApp's allowance is nearly used up: ${lanes.limit} of ${concurrency} lanes are in use until it recovers.`,
        ]
      : []),
    ...(lifecycle === 'paused' ? ['paused: run `mediaferry resume` to go on.'] : []),
    ...(realtime.hearing ? [] : [`Realtime is not heard: ${realtimeAdvice(realtime)}`]),
  ]
  if (open.length > limited.length) return { status: 'down', reasons }
  return { status: reasons.length === 0 ? 'ready' : 'degraded', reasons }
}

function circuitReason({ dependency, outage }: CircuitView): string {
  if (outage === null) return `${dependency} is down.`
  return `${dependency}: ${outage.message} ${adviceFor(dependency, outage.code)}`
}

const HARMLESS = 'Files keep arriving: the table is asked every second instead.'

const BY_CAUSE: Readonly<Record<string, string>> = {
  starting: 'It is being joined; this takes a few seconds.',
  misses:
    'See that `attachments` and `realtime_canary` are in the publication supabase_realtime (Database, Publications).',
  canary_late:
    'If it lasts, see that `realtime_canary` is in the publication supabase_realtime, and https://status.supabase.com.',
  system_error:
    'See that Realtime is enabled in the project, and `realtime_canary` in its publication supabase_realtime.',
}

/** What to do about a Realtime that is not heard. */
export function realtimeAdvice({ cause }: Pick<RealtimeView, 'cause'>): string {
  const known = cause === null ? undefined : BY_CAUSE[cause.code]
  return `${HARMLESS} ${known ?? 'It is joined again by itself. If it lasts, see https://status.supabase.com.'}`
}
