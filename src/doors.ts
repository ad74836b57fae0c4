import type { DatabaseOptions } from './database/client.ts'
import { openDashboard } from './database/dashboard.ts'
import type { Intake } from './intake/intake.ts'
import type { Log } from './log.ts'
import type { DaemonView, Observer, Ops, OpsOptions } from './ops/ops.ts'
import type { Pipeline } from './pipeline.ts'
import { type Settings, supabaseOf } from './settings.ts'
import type { StateFile } from './state/state-file.ts'
import { VERSION } from './version.ts'

/** The parts of a daemon, each from the moment that it is there. */
export interface DaemonParts {
  readonly state?: StateFile
  readonly pipeline?: Pipeline
  readonly intake?: Intake
}

export interface DoorsOptions {
  readonly settings: Settings
  readonly log: Log
  readonly parts: DaemonParts
  /** The state of the daemon's machine. */
  readonly lifecycle: () => string
  readonly start: (options: OpsOptions) => Promise<Ops>
}

export interface OpenDoors {
  readonly url: string
  readonly observer: Observer
  close(): Promise<void>
}

/** Opens what an operator sees of the daemon, before any of its parts is there. Throws what `startOps` throws. */
export async function openDoors({
  settings,
  log,
  parts,
  lifecycle,
  start,
}: DoorsOptions): Promise<OpenDoors> {
  const supabase: DatabaseOptions = supabaseOf(settings)
  const database = openDashboard(supabase)
  const ops = await start({
    host: settings.OPS_HOST,
    port: settings.OPS_PORT,
    token: settings.OPS_TOKEN,
    version: VERSION,
    supabaseUrl: supabase.url,
    concurrency: settings.CONCURRENCY,
    canaryIntervalMs: settings.CANARY_INTERVAL,
    sources: {
      daemon: daemonView(parts, lifecycle, settings.CONCURRENCY),
      database,
      signFile: async wanted => {
        if (parts.pipeline === undefined) throw new Error('The daemon is starting.')
        return parts.pipeline.storage.signUrl(wanted, AbortSignal.timeout(SIGN_MS))
      },
    },
    log,
  })
  return {
    url: ops.url,
    observer: ops.observer,
    close: async () => {
      await ops.stop()
      await database.close()
    },
  }
}

const SIGN_MS = 15_000

function daemonView(parts: DaemonParts, lifecycle: () => string, concurrency: number): DaemonView {
  return {
    lifecycle,
    worker: () => parts.state?.workerId ?? '',
    circuits: () => {
      const { circuits } = parts.pipeline ?? {}
      return (['whatsapp', 'storage', 'database'] as const).map(dependency => ({
        dependency,
        state: circuits?.states()[dependency] ?? 'closed',
        outage: circuits?.outage(dependency) ?? null,
      }))
    },
    lanes: () => {
      const { dispatcher } = parts.pipeline ?? {}
      const counts = dispatcher?.counts()
      return {
        busy: counts?.inLanes ?? 0,
        limit: dispatcher?.laneLimit() ?? concurrency,
        claimed: counts?.claimed ?? 0,
      }
    },
    machine: () => parts.pipeline?.dispatcher.states() ?? {},
    realtime: () => {
      const { hearing, cause } = parts.intake?.state() ?? NOT_LISTENING
      const { announced, missed } = parts.intake?.counts() ?? { announced: 0, missed: 0 }
      return { hearing, cause, announced, missed }
    },
  }
}

const NOT_LISTENING = {
  hearing: false,
  cause: { code: 'starting', message: 'Realtime is joined when the daemon has started.' },
}
