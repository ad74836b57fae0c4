import type { Log } from '../log.ts'
import { createAccess } from './access.ts'
import { openAssets } from './assets.ts'
import { securityHeaders } from './guard.ts'
import { healthOf } from './health.ts'
import { createLive } from './live.ts'
import { createMetrics, type Observer } from './metrics.ts'
import { openApi } from './openapi.ts'
import { apiRoutes } from './routes.ts'
import { openServer } from './server.ts'
import type { OpsSources } from './sources.ts'
import { cacheSummary, summaryAnswer } from './summary.ts'

export type { FinishedClaim, Observer } from './metrics.ts'
export type {
  CircuitView,
  DaemonView,
  DatabaseView,
  FileToSign,
  OpsSources,
  RealtimeView,
} from './sources.ts'

export interface OpsOptions {
  /** OPS_HOST, OPS_PORT (0 takes a free one) and OPS_TOKEN. */
  readonly host: string
  readonly port: number
  readonly token: string | undefined
  readonly version: string
  /** The project's address: its Storage is where the page's pictures come from. */
  readonly supabaseUrl: string
  readonly concurrency: number
  readonly canaryIntervalMs: number
  readonly sources: OpsSources
  readonly log: Log
}

/** The daemon's doors: `/livez`, `/readyz`, `/metrics`, `/api/*` and the page. */
export interface Ops {
  readonly url: string
  readonly observer: Observer
  /** Names of our metrics, without those of the process. */
  readonly metricNames: readonly string[]
  /** Ends streams and connections; may be called twice. */
  stop(): Promise<void>
}

/** Pages look every second; the database is asked no more often than this. */
const SUMMARY_MS = 2000

/** Opens the doors. Throws a UserError when OPS_HOST or OPS_PORT cannot be had. */
export async function startOps(options: OpsOptions): Promise<Ops> {
  const { sources, version, log } = options
  const { daemon, database } = sources
  const health = () => healthOf(daemon, options.concurrency)
  const cache = cacheSummary(() => database.summary(), SUMMARY_MS)
  const summary = async () =>
    summaryAnswer({
      version,
      daemon,
      reading: await cache.read(),
      health: health(),
      canaryIntervalMs: options.canaryIntervalMs,
      now: new Date(),
    })
  const live = createLive({ read: summary })
  const metrics = createMetrics({
    version,
    daemon,
    health,
    summary: cache,
  })
  const api = apiRoutes({ sources, summary, changed: cache.expire, live })
  const server = await openServer({
    host: options.host,
    port: options.port,
    access: createAccess(options.token),
    assets: openAssets(),
    api,
    openapi: openApi(api, version),
    ready: withReasons => {
      const { status, reasons } = health()
      const body = withReasons ? { status, state: daemon.lifecycle(), reasons } : { status }
      return { status: status === 'down' ? 503 : 200, body }
    },
    metrics: metrics.scrape,
    headers: securityHeaders(options.supabaseUrl),
    log,
  })
  log.info({ at: server.url.replace(/^http:\/\//, '') }, 'the dashboard, /readyz and /metrics are open')
  let stopping: Promise<void> | undefined
  return {
    url: server.url,
    observer: metrics,
    metricNames: metrics.names(),
    stop: () => {
      live.stop()
      stopping ??= server.close()
      return stopping
    },
  }
}
