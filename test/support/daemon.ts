import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDaemon } from '../../src/daemon.ts'
import { createLog } from '../../src/log.ts'
import { readSettings } from '../../src/settings.ts'
import type { TestProject } from './project.ts'

export type LogEntry = Readonly<Record<string, unknown>>

/** A daemon in this process, with every line of its log kept. */
export interface TestDaemon {
  readonly worker: string
  readonly entries: readonly LogEntry[]
  /** Resolves when that many entries match, counted from the daemon's start. */
  until(matches: (entry: LogEntry) => boolean, count?: number): Promise<readonly LogEntry[]>
  /** Resolves when that many attachments were settled. */
  settled(count: number): Promise<readonly LogEntry[]>
  /** Drains and closes it. */
  stop(): Promise<void>
}

export type Overrides = Readonly<Record<string, string>>

/** The settings of a daemon for that project, as its environment would have them. */
export function daemonEnvironment(
  project: TestProject,
  stateFile: string,
  overrides: Overrides = {},
): Overrides {
  return {
    SUPABASE_URL: project.url,
    SUPABASE_SECRET_KEY: project.secretKey,
    WHATSAPP_ACCESS_TOKEN: project.accessToken,
    WHATSAPP_GRAPH_URL: project.graphUrl,
    WHATSAPP_MEDIA_HOSTS: '127.0.0.1',
    STATE_FILE: stateFile,
    OPS_PORT: '0',
    ...overrides,
  }
}

/** Starts a daemon with a state file of its own, which is removed when it stops. */
export async function startTestDaemon(project: TestProject, overrides: Overrides = {}): Promise<TestDaemon> {
  const folder = mkdtempSync(join(tmpdir(), 'mediaferry-daemon-'))
  const environment = daemonEnvironment(project, join(folder, 'state.sqlite'), overrides)
  const entries: LogEntry[] = []
  const waiting = new Set<() => void>()
  const log = createLog('debug', {
    write: line => {
      entries.push(JSON.parse(line))
      for (const look of waiting) look()
    },
  })
  const stop = new AbortController()
  const daemon = await startDaemon(readSettings(environment, ['supabase', 'token']), log, stop.signal)
  if (daemon === null) throw new Error('the daemon was stopped before it was ready')
  const until = (matches: (entry: LogEntry) => boolean, count = 1) =>
    new Promise<readonly LogEntry[]>(resolve => {
      const look = () => {
        const found = entries.filter(matches)
        if (found.length < count) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  return {
    worker: daemon.worker,
    entries,
    until,
    settled: count => until(entry => entry.msg === 'settled', count),
    stop: async () => {
      stop.abort()
      await daemon.ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
