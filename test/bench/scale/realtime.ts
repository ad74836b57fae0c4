import { setTimeout as delay } from 'node:timers/promises'
import { sequence } from '../mix.ts'
import { quantile, rounded } from '../statistics.ts'
import { allSettled, commitAttachments, emptyDatabase } from '../work.ts'
import type { World } from '../world.ts'
import { type ScaleDaemon, startDaemon, untilHearing } from './daemon.ts'

/** A daemon beside a Realtime that drops what is above its limit. */
export interface RealtimeReport {
  /** Rows committed a second, each in a transaction of its own. */
  readonly events_per_s: number
  readonly rows: number
  readonly announced: number
  /** What the daemon counted as never announced. */
  readonly missed: number
  readonly uploaded: number
  /** Seconds from the row to its object. */
  readonly p50_s: number
  readonly p99_s: number
  readonly worst_s: number
}

/** What a hosted project lets through a second, unless it is raised. */
export const REALTIME_LIMIT = 100
const RATES = [50, 100, 200, 400]
const CONCURRENCY = 32
const SECONDS = 20
const TICK_MS = 50
/** A sweep's interval, the grace of a row that was found, and some. */
const COUNTED_WITHIN_MS = 40_000

export async function measureRealtime(world: World, say: (text: string) => void): Promise<RealtimeReport[]> {
  const reports: RealtimeReport[] = []
  for (const rate of RATES) {
    await emptyDatabase(world)
    const daemon = await startDaemon(world, CONCURRENCY)
    try {
      await untilHearing(daemon)
      const report = await announce(world, daemon, rate)
      reports.push(report)
      say(`${rate} events/s: ${report.announced} announced, ${report.missed} missed of ${report.rows}`)
    } finally {
      await daemon.program.stop()
    }
  }
  return reports
}

async function announce(world: World, daemon: ScaleDaemon, rate: number): Promise<RealtimeReport> {
  const [file] = sequence('200KB', 1)
  if (file === undefined) throw new Error('no file')
  const began = performance.now()
  const commits: Promise<unknown>[] = []
  while (commits.length < rate * SECONDS) {
    const due = Math.min(rate * SECONDS, ((performance.now() - began) / 1000) * rate)
    while (commits.length < due) commits.push(commitAttachments(world, [file]))
    await delay(TICK_MS)
  }
  await Promise.all(commits)
  const seconds = (performance.now() - began) / 1000
  await allSettled(world)
  const { announced, missed } = await counted(daemon, commits.length)
  const { rows } = await world.database.query<{ status: string; s: number }>(
    `select upload_status as status, extract(epoch from uploaded_at - created_at)::float as s
     from public.attachments`,
  )
  const waits = rows.map(({ s }) => s)
  return {
    events_per_s: Math.round(commits.length / seconds),
    rows: rows.length,
    announced,
    missed,
    uploaded: rows.filter(({ status }) => status === 'UPLOADED').length,
    p50_s: rounded(quantile(waits, 0.5), 2),
    p99_s: rounded(quantile(waits, 0.99), 2),
    worst_s: rounded(Math.max(...waits), 2),
  }
}

/** Waits until each row was announced or counted as missed. */
async function counted(daemon: ScaleDaemon, rows: number): Promise<{ announced: number; missed: number }> {
  const until = performance.now() + COUNTED_WITHIN_MS
  for (;;) {
    const sample = await daemon.metrics()
    const announced = sample('mediaferry_realtime_announced_rows_total')
    const missed = sample('mediaferry_realtime_missed_rows_total')
    if (announced + missed >= rows || performance.now() > until) return { announced, missed }
    await delay(500)
  }
}

export function realtimeFaults(reports: readonly RealtimeReport[]): string[] {
  return reports
    .filter(({ rows, uploaded }) => uploaded < rows)
    .map(
      ({ rows, uploaded, events_per_s }) =>
        `at ${events_per_s} events/s ${rows - uploaded} of ${rows} did not arrive`,
    )
}
