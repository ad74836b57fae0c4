import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { BARE_ENVIRONMENT } from './bare-environment.ts'
import type { LogEntry, Overrides } from './daemon.ts'

export const ECOSYSTEM = fileURLToPath(new URL('../../ecosystem.config.cjs', import.meta.url))

const PROGRAM = createRequire(import.meta.url).resolve('pm2/bin/pm2')

export interface Pm2App {
  readonly name: string
  readonly pid: number
  readonly status: string
  readonly restarts: number
}

/** The real PM2 with a home of its own, so that nobody else's processes are seen or touched. */
export interface Pm2 {
  /** A command; answers what it printed, and rejects when it fails. */
  run(command: readonly string[], environment?: Overrides): Promise<string>
  apps(): Promise<Pm2App[]>
  app(name: string): Promise<Pm2App>
  /** What that app has logged in all its lives. */
  logOf(name: string): LogEntry[]
  /** Ends PM2 and all that it runs. */
  stop(): Promise<void>
}

const listed = z.array(
  z.object({
    name: z.string(),
    pid: z.number(),
    pm2_env: z.object({ status: z.string(), restart_time: z.number() }),
  }),
)

/** Nothing is started before the first command. */
export function pm2Home(options: Overrides = {}): Pm2 {
  const home = mkdtempSync(join(tmpdir(), 'mediaferry-pm2-'))
  const own = {
    ...BARE_ENVIRONMENT,
    HOME: home,
    PM2_HOME: home,
    PM2_DISABLE_VERSION_CHECK: '1',
    ...options,
  }

  async function run(command: readonly string[], environment: Overrides = {}): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...command], {
      env: { ...own, ...environment },
      maxBuffer: 2 ** 26,
    })
    return stdout
  }

  async function apps(): Promise<Pm2App[]> {
    const printed = await run(['jlist', '--silent'])
    return listed
      .parse(JSON.parse(printed))
      .map(({ name, pid, pm2_env: { status, restart_time: restarts } }) => {
        return { name, pid, status, restarts }
      })
  }

  return {
    run,
    apps,
    app: async name => {
      const found = (await apps()).find(each => each.name === name)
      if (found === undefined) throw new Error(`PM2 has no ${name}`)
      return found
    },
    logOf: name => {
      const path = join(home, 'logs', `${name}-out.log`)
      const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
      return lines.filter(line => line.startsWith('{') && line.endsWith('}')).map(line => JSON.parse(line))
    },
    stop: async () => {
      const pidFile = join(home, 'pm2.pid')
      const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : undefined
      try {
        if (pid !== undefined) await run(['kill'])
      } finally {
        if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL')
        rmSync(home, { recursive: true, force: true })
      }
    },
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
