import type { z } from 'zod'
import { createLog } from '../../src/log.ts'
import { type OpsSources, startOps } from '../../src/ops/ops.ts'
import { type LogEntry, type Overrides, startTestDaemon, type TestDaemon } from './daemon.ts'
import { type Fixtures, fixtures } from './ops-fixtures.ts'
import type { TestProject } from './project.ts'

/** The doors of a daemon in this process. */
export interface DaemonWithDoors extends TestDaemon {
  /** `http://127.0.0.1:<port>`, without a slash. */
  readonly url: string
}

/** A daemon of that project, and the address at which it serves page, API and metrics. */
export async function startDaemonWithDoors(
  project: TestProject,
  overrides: Overrides = {},
): Promise<DaemonWithDoors> {
  const daemon = await startTestDaemon(project, overrides)
  const at = daemon.entries.find(({ msg }) => String(msg).startsWith('the dashboard'))?.at
  return { ...daemon, url: `http://${at}` }
}

/** The same server in front of values in memory, which a test changes as it likes. */
export interface TestOps {
  readonly url: string
  readonly fixtures: Fixtures
  readonly entries: readonly LogEntry[]
  readonly metricNames: readonly string[]
  readonly observer: Awaited<ReturnType<typeof startOps>>['observer']
  stop(): Promise<void>
}

export interface TestOpsOptions {
  readonly host?: string
  readonly token?: string
  readonly sources?: Partial<OpsSources>
}

export async function startTestOps(options: TestOpsOptions = {}): Promise<TestOps> {
  const data = fixtures()
  const entries: LogEntry[] = []
  const log = createLog('debug', { write: line => void entries.push(JSON.parse(line)) })
  const ops = await startOps({
    host: options.host ?? '127.0.0.1',
    port: 0,
    token: options.token,
    version: '0.0.0-test',
    supabaseUrl: 'https://project.supabase.test',
    concurrency: 8,
    canaryIntervalMs: 30_000,
    sources: { ...data.sources, ...options.sources },
    log,
  })
  const { url, metricNames, observer, stop } = ops
  return { url, fixtures: data, entries, metricNames, observer, stop }
}

/** The JSON of an answer, which must have that shape. */
export async function readJson<Shape extends z.ZodType>(
  answer: Response | Promise<Response>,
  shape: Shape,
): Promise<z.output<Shape>> {
  return shape.parse(await (await answer).json())
}
