import { adviceFor } from '../../machines/advice.ts'
import { isAlive } from '../alive.ts'
import type { SummaryAnswer } from '../api-shapes.ts'
import { describeError } from '../errors.ts'
import type { Health } from './health.ts'
import { realtimeAdvice } from './health.ts'
import type { DaemonView, DatabaseSummary } from './sources.ts'

/** What the database said last, and whether it still answers. */
export interface SummaryReading {
  readonly summary: DatabaseSummary
  readonly readAt: Date
  /** Why it could not be read anew. */
  readonly error: unknown
}

export interface SummaryCache {
  /** At most `maxAgeMs` old, or as old as a slow database makes it. Rejects while there never was an answer. */
  read(): Promise<SummaryReading>
  /** So that what an operator has just done is seen at once. */
  expire(): void
}

/** A call that took long is repeated less often: reading the summary is at most a tenth of the database's work. */
const REST = 10
/** Prometheus gives a scrape ten seconds, and a call to a database that says nothing takes fifteen. */
export const PATIENCE_MS = 3000
/** One that is away is looked for all the same: it may be back at any moment. */
const LONGEST_REST_AWAY_MS = 20_000

/**
 * One reading for all who ask: pages, scrapes, streams. Nobody asks, nothing is read; while the database is away
 * the last reading stands, with the reason.
 */
export function cacheSummary(
  read: () => Promise<DatabaseSummary>,
  maxAgeMs: number,
  now = () => performance.now(),
): SummaryCache {
  let last: SummaryReading | undefined
  let failure: unknown
  let freshUntil = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  async function readAnew(): Promise<void> {
    const startedAt = now()
    let longest = Number.POSITIVE_INFINITY
    try {
      last = { summary: await read(), readAt: new Date(), error: undefined }
    } catch (error) {
      failure = error
      longest = LONGEST_REST_AWAY_MS
      if (last !== undefined) last = { ...last, error }
    }
    freshUntil = now() + Math.max(maxAgeMs, Math.min(longest, (now() - startedAt) * REST))
  }

  async function inTime(work: Promise<void>): Promise<void> {
    let patience: NodeJS.Timeout | undefined
    await Promise.race([
      work,
      new Promise<void>(resolve => {
        patience = setTimeout(resolve, PATIENCE_MS)
      }),
    ])
    clearTimeout(patience)
  }

  return {
    async read() {
      if (now() >= freshUntil) {
        reading ??= readAnew().finally(() => {
          reading = undefined
        })
        await inTime(reading)
      }
      if (last === undefined) throw failure ?? new Error('The database has not answered yet.')
      return last
    },
    expire: () => {
      freshUntil = Number.NEGATIVE_INFINITY
    },
  }
}

export interface SummaryParts {
  readonly version: string
  readonly daemon: DaemonView
  readonly health: Health
  readonly reading: SummaryReading
  readonly canaryIntervalMs: number
  readonly now: Date
}

/** The answer of `/api/summary`: this daemon as it is now, and all daemons' work as the database had it. */
export function summaryAnswer({
  version,
  daemon,
  health,
  reading,
  canaryIntervalMs,
  now,
}: SummaryParts): SummaryAnswer {
  const { counts, due, oldest_due_at, expiring_24h, rejected, paused, daemons } = reading.summary
  const realtime = daemon.realtime()
  return {
    version,
    worker: daemon.worker(),
    now: now.toISOString(),
    counts,
    due,
    oldest_due_at,
    expiring_24h,
    rejected,
    paused,
    lanes: daemon.lanes(),
    realtime: {
      hearing: realtime.hearing,
      cause: realtime.cause,
      advice: realtime.hearing ? null : realtimeAdvice(realtime),
      announced: realtime.announced,
      missed: realtime.missed,
    },
    circuits: daemon.circuits().map(({ dependency, state, outage }) => ({
      dependency,
      state,
      code: outage?.code ?? null,
      reason: outage?.message ?? null,
      advice: outage === null ? null : adviceFor(dependency, outage.code),
      since: outage?.since.toISOString() ?? null,
      probes: outage?.probes ?? 0,
    })),
    daemons: daemons.map(({ worker, state, circuits, version: theirs, beat, last_seen }) => ({
      worker,
      state,
      circuits,
      version: theirs,
      beat,
      last_seen,
      alive: isAlive({ state, last_seen }, now.getTime(), canaryIntervalMs),
    })),
    ready: { status: health.status, reasons: [...health.reasons] },
    machine: daemon.machine(),
    stale:
      reading.error === undefined
        ? null
        : { read_at: reading.readAt.toISOString(), error: describeError(reading.error) },
  }
}
