import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { daemonEnvironment, type LogEntry, type Overrides } from '../support/daemon.ts'
import type { TestProject } from '../support/project.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** `mediaferry start` as its user runs it: a process of its own, whose log is all that is heard of it. */
export interface DaemonProcess {
  readonly entries: readonly LogEntry[]
  /** Resolves when so many entries of the log match; rejects when it ends before. */
  until(matches: (entry: LogEntry) => boolean, count?: number): Promise<void>
  settled(count: number): Promise<void>
  send(signal: NodeJS.Signals): void
  /** Settles with its last words when it has ended, by whatever. */
  readonly ended: Promise<Ending>
  /** As the kernel ends it when memory is out: nothing of it runs any more. */
  kill(): Promise<void>
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly lastWords: string
}

/** A place where daemons live one after another with the same state file; removed, with all of them, by `stop`. */
export interface DaemonHome {
  readonly stateFile: string
  /** Starts one and waits for nothing. */
  launch(overrides?: Overrides): DaemonProcess
  /** Starts one that works when this resolves. */
  start(overrides?: Overrides): Promise<DaemonProcess>
  stop(): Promise<void>
}

export function daemonHome(project: TestProject): DaemonHome {
  const folder = mkdtempSync(join(tmpdir(), 'mediaferry-crash-'))
  const stateFile = join(folder, 'state.sqlite')
  const running = new Set<DaemonProcess>()
  const launch = (overrides: Overrides = {}) => {
    const daemon = run(folder, daemonEnvironment(project, stateFile, overrides))
    running.add(daemon)
    void daemon.ended.then(() => running.delete(daemon))
    return daemon
  }
  return {
    stateFile,
    launch,
    start: async overrides => {
      const daemon = launch(overrides)
      await daemon.until(entry => entry.msg === 'ready')
      return daemon
    },
    stop: async () => {
      await Promise.all([...running].map(daemon => daemon.kill()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function run(folder: string, environment: Overrides): DaemonProcess {
  const child = spawn(process.execPath, [CLI, 'start'], {
    cwd: folder,
    env: { ...BARE_ENVIRONMENT, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const entries: LogEntry[] = []
  const looks = new Set<() => void>()
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  createInterface(child.stdout).on('line', line => {
    entries.push(parse(line))
    for (const look of looks) look()
  })
  const ended = endOf(child, () => `${errors}\n${JSON.stringify(entries.at(-1))}`)
  const until = (matches: (entry: LogEntry) => boolean, count = 1) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (entries.filter(matches).length < count) return
        looks.delete(look)
        resolve()
      }
      looks.add(look)
      look()
      ended.then(({ lastWords }) => reject(new Error(`the daemon ended: ${lastWords}`)))
    })
  return {
    entries,
    ended,
    until,
    settled: count => until(entry => entry.msg === 'settled', count),
    send: signal => child.kill(signal),
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** What a killed daemon was about to say may be cut off. */
function parse(line: string): LogEntry {
  try {
    return JSON.parse(line)
  } catch {
    return { msg: line }
  }
}

const endOf = (child: ChildProcess, lastWords: () => string): Promise<Ending> =>
  new Promise(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal, lastWords: lastWords() }))
  })
