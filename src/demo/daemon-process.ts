import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { UserError } from '../errors.ts'
import { asSettings, type DevEnvironment } from '../local/dev-environment.ts'
import { openChildRegistry } from '../local/processes.ts'

/** The daemon as its user runs it: a process of its own. */
export interface DaemonProcess {
  readonly ended: Promise<string>
  /** Stops it in order. Answers the most memory that it ever used, in MB of 2^20 bytes. */
  stop(): Promise<number | null>
}

export interface DaemonProcessOptions {
  readonly folder: string
  readonly environment: DevEnvironment
  /** Everything the daemon logs goes here, JSON lines. */
  readonly logFile: string
}

/** As in ecosystem.config.cjs. */
const NODE_FLAGS = ['--max-semi-space-size=16', '--expose-gc']

/** Starts `mediaferry start` and waits until it says that it is ready. */
export async function startDaemonProcess(options: DaemonProcessOptions): Promise<DaemonProcess> {
  const registry = await openChildRegistry(options.folder)
  const program = process.argv[1] ?? ''
  const child = registry.spawn('daemon', process.execPath, [...NODE_FLAGS, program, 'start'], {
    env: { ...process.env, OPS_PORT: '0', ...asSettings(options.environment) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let peak: number | null = null
  const log = createWriteStream(options.logFile, { flags: 'a' })
  child.process.stderr?.pipe(log, { end: false })
  const ready = new Promise<void>(resolve => {
    if (child.process.stdout === null) return
    createInterface({ input: child.process.stdout }).on('line', line => {
      log.write(`${line}\n`)
      const entry = parseLine(line)
      if (entry.msg === 'ready') resolve()
      if (entry.msg === 'stopped' && typeof entry.peak_rss_mb === 'number') peak = entry.peak_rss_mb
    })
  })
  const failed = child.ended.then(why => {
    throw new UserError(`The daemon did not start: ${why}`, { hint: child.lastWords() })
  })
  failed.catch(() => undefined)
  await Promise.race([ready, failed])
  return {
    ended: child.ended,
    stop: async () => {
      await child.stop('SIGTERM', 30_000)
      registry.close()
      log.end()
      return peak
    },
  }
}

function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line)
  } catch {
    return {}
  }
}
