import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { type AttachmentOutput, outcomeOf } from '../../machines/attachment.ts'
import type { CircuitEmitted } from '../../machines/circuit.ts'
import type { Claim } from '../attachment.ts'
import { reasonFor } from '../reasons.ts'
import { databaseGauges } from './database-gauges.ts'
import type { Health } from './health.ts'
import type { DaemonView } from './sources.ts'
import type { SummaryCache } from './summary.ts'

/** What happens in the daemon, told as it happens. Each costs some additions. */
export interface Observer {
  /** One call of `claim_attachments`, and how many rows it brought. */
  claimed(rows: number): void
  finished(run: FinishedClaim): void
  circuit(change: CircuitEmitted): void
  /** How many transaction ids the horizon of the catch-up lags. */
  horizon(lag: number): void
}

export interface FinishedClaim {
  readonly claim: Pick<Claim, 'uploadAttempts' | 'maxAttempts'>
  readonly output: AttachmentOutput
  /** Milliseconds from being due to having a lane. */
  readonly waitMs: number
  /** Milliseconds in the lane. */
  readonly laneMs: number
}

export interface Metrics extends Observer {
  scrape(): Promise<{ readonly type: string; readonly text: string }>
  /** Every metric of ours, for whoever names them elsewhere. */
  readonly names: () => readonly string[]
}

export interface MetricsOptions {
  readonly version: string
  readonly daemon: DaemonView
  readonly health: () => Health
  readonly summary: Pick<SummaryCache, 'read'>
}

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]
const KB = 1024
const BYTES = [
  KB,
  16 * KB,
  64 * KB,
  256 * KB,
  KB * KB,
  4 * KB * KB,
  16 * KB * KB,
  50 * KB * KB,
  100 * KB * KB,
]
const ROWS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 500]

const PREFIX = 'mediaferry_'

/**
 * The process's own metrics keep the names that every dashboard for Node.js knows (`process_…`, `nodejs_…`), without
 * our prefix. They hook into the process for good, so there is one set of them however many servers there are.
 */
const processMetrics = new Registry()
let hooked = false

export function createMetrics({ version, daemon, health, summary }: MetricsOptions): Metrics {
  const registry = new Registry()
  const registers = [registry]
  if (!hooked) collectDefaultMetrics({ register: processMetrics })
  hooked = true

  const settled = new Counter({
    name: `${PREFIX}settled_total`,
    help: 'Claims that ended here, by outcome (uploaded, retry, failed, interrupted, lost) and reason.',
    labelNames: ['outcome', 'reason'],
    registers,
  })
  const attempts = new Counter({
    name: `${PREFIX}attempts_total`,
    help: 'Attempts that counted: neither outages nor shutdowns are among them.',
    registers,
  })
  const bytes = new Counter({ name: `${PREFIX}uploaded_bytes_total`, help: 'Bytes stored.', registers })
  const size = new Histogram({
    name: `${PREFIX}object_size_bytes`,
    help: 'Size of each stored object.',
    buckets: BYTES,
    registers,
  })
  const pickup = new Histogram({
    name: `${PREFIX}pickup_duration_seconds`,
    help: 'From being due to having a lane, by two clocks: the database says when it was due.',
    buckets: SECONDS,
    registers,
  })
  const transfer = new Histogram({
    name: `${PREFIX}transfer_duration_seconds`,
    help: 'In the lane: address, download, check and upload.',
    buckets: SECONDS,
    registers,
  })
  const claims = new Histogram({
    name: `${PREFIX}claim_rows`,
    help: 'Rows that each call for claims brought.',
    buckets: ROWS,
    registers,
  })
  const leasesLost = new Counter({
    name: `${PREFIX}leases_lost_total`,
    help: 'Claims that another worker has now, or that nobody answered for in time.',
    registers,
  })
  const opened = new Counter({
    name: `${PREFIX}circuit_opened_total`,
    help: 'Outages that began, by dependency.',
    labelNames: ['dependency'],
    registers,
  })
  for (const dependency of ['whatsapp', 'storage', 'database']) opened.inc({ dependency }, 0)
  const horizonLag = new Gauge({
    name: `${PREFIX}horizon_lag_transactions`,
    help: 'How far the oldest open transaction of the cluster holds the catch-up back.',
    registers,
  })
  processGauges(registry, version, daemon, health)
  databaseGauges(registry, summary)

  return {
    claimed: rows => claims.observe(rows),
    finished: ({ claim, output, waitMs, laneMs }) => {
      if (output.lost || output.answer === 'lost') {
        leasesLost.inc()
        settled.inc({ outcome: 'lost', reason: 'none' })
        return
      }
      const { settlement } = output
      const reason = settlement.outcome === 'uploaded' ? 'none' : settlement.code
      settled.inc({
        outcome: outcomeOf(settlement, claim),
        // No text from outside makes a series.
        reason: reason === 'none' || reasonFor(reason) !== undefined ? reason : 'other',
      })
      if (settlement.outcome !== 'interrupted') attempts.inc()
      if (settlement.outcome !== 'uploaded') return
      pickup.observe(waitMs / 1000)
      transfer.observe(laneMs / 1000)
      size.observe(settlement.sizeBytes)
      bytes.inc(settlement.sizeBytes)
    },
    circuit: change => {
      if (change.type === 'opened') opened.inc({ dependency: change.dependency })
    },
    horizon: lag => horizonLag.set(lag),
    scrape: async () => {
      const [ours, process] = await Promise.all([registry.metrics(), processMetrics.metrics()])
      return { type: registry.contentType, text: `${ours}\n${process}` }
    },
    names: () => registry.getMetricsAsArray().map(({ name }) => name),
  }
}

/** What this process knows without asking anybody, read when somebody scrapes. */
function processGauges(registry: Registry, version: string, daemon: DaemonView, health: () => Health): void {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  const total = (name: string, help: string, read: () => number): Counter =>
    new Counter({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })

  new Gauge({ name: `${PREFIX}build_info`, help: 'Always 1.', labelNames: ['version'], registers }).set(
    { version },
    1,
  )
  new Gauge({
    name: `${PREFIX}readiness`,
    help: '1 for what /readyz says: ready, degraded or down.',
    labelNames: ['status'],
    registers,
    collect() {
      const now = health().status
      for (const status of ['ready', 'degraded', 'down']) this.set({ status }, Number(status === now))
    },
  })
  new Gauge({
    name: `${PREFIX}circuit_state`,
    help: '1 for the state that the circuit is in: closed, open or probing.',
    labelNames: ['dependency', 'state'],
    registers,
    collect() {
      for (const { dependency, state: now } of daemon.circuits()) {
        for (const state of ['closed', 'open', 'probing'])
          this.set({ dependency, state }, Number(state === now))
      }
    },
  })
  gauge('lanes_busy', 'Lanes that work on a file.', () => daemon.lanes().busy)
  gauge(
    'lanes_limit',
    "Lanes that may be busy: CONCURRENCY, or less near WhatsApp's allowance.",
    () => daemon.lanes().limit,
  )
  gauge('claims_held', 'Claimed and not through with their lane.', () => daemon.lanes().claimed)
  gauge('realtime_hearing', '1 while Realtime is proven to be heard.', () =>
    Number(daemon.realtime().hearing),
  )
  total('realtime_announced_rows_total', 'Rows that Realtime announced.', () => daemon.realtime().announced)
  total(
    'realtime_missed_rows_total',
    'Rows that Realtime should have announced and did not.',
    () => daemon.realtime().missed,
  )
}
