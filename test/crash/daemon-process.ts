import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { daemonEnvironment, type LogEntry, type Overrides } from '../support/daemon.ts'
import type { TestProject } from '../support/project.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** `mediaferry start` as its user runs it: a process of its own, whose log is all that is heard of it. */
export interface DaemonProcess {
  /** Resolves when so many entries of the log match; rejects when it ends before. */
  until(matches: (entry: LogEntry) => boolean, count?: number): Promise<void>
  settled(count: number): Promise<void>
  send(signal: NodeJS.Signals): void
  /** As the kernel ends it when memory is out: nothing of it runs any more. */
  kill(): Promise<void>
}

/** A place where daemons live one after another with the same state file; removed, with all of them, by `stop`. */
export interface DaemonHome {
  start(overrides?: Overrides): Promise<DaemonProcess>
  stop(): Promise<void>
}

export function daemonHome(project: TestProject): DaemonHome {
  const folder = mkdtempSync(join(tmpdir(), 'mediaferry-crash-'))
  const running = new Set<DaemonProcess>()
  return {
    start: async (overrides = {}) => {
      const environment = daemonEnvironment(project, join(folder, 'state.sqlite'), overrides)
      const daemon = run(folder, environment)
      running.add(daemon)
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
    env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const entries: LogEntry[] = []
  const looks = new Set<() => void>()
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  createInterface(child.stdout).on('line', line => {
    entries.push(JSON.parse(line))
    for (const look of looks) look()
  })
  const ended = endOf(child)
  const until = (matches: (entry: LogEntry) => boolean, count = 1) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (entries.filter(matches).length < count) return
        looks.delete(look)
        resolve()
      }
      looks.add(look)
      look()
      ended.then(() => reject(new Error(`the daemon ended: ${errors}\n${JSON.stringify(entries.at(-1))}`)))
    })
  return {
    until,
    settled: count => until(entry => entry.msg === 'settled', count),
    send: signal => child.kill(signal),
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const endOf = (child: ChildProcess): Promise<void> =>
  new Promise(resolve => {
    child.once('close', () => resolve())
  })
