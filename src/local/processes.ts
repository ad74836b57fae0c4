import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { describeError, UserError } from '../errors.ts'

/**
 * The children of a local project, written down so that none outlives its parent for good: one small file
 * a child under `<folder>/processes/`. A start after a `kill -9` of the parent ends what that parent left.
 * A pid alone could meanwhile belong to somebody else, so the start time of the process is kept with it.
 */
export interface ChildRegistry {
  spawn(name: string, command: string, args: readonly string[], options?: SpawnOptions): RecordedChild
  /** Ends all children at once, in no order, and lets none be started: for a start that is given up. */
  endAll(): void
  /** Lets another process have the folder. */
  close(): void
}

export interface RecordedChild {
  readonly process: ChildProcess
  /** The last lines that it wrote, for an error message. */
  lastWords(): string
  /** Settles with a line when the child ends, asked or not. */
  readonly ended: Promise<string>
  /** Sends the signal, waits, and uses SIGKILL after `graceMs`. Harmless when it has ended already. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>
}

interface ProcessRecord {
  readonly name: string
  readonly pid: number
  readonly startedAt: string
  /** What ends this child at once: PostgreSQL's own children must hear of it from their parent. */
  readonly signal: NodeJS.Signals
}

/**
 * Opens the registry of `folder`, after ending what a dead parent left there. Throws a UserError when another
 * process has it: the folder belongs to one at a time.
 */
export async function openChildRegistry(folder: string): Promise<ChildRegistry> {
  const recordFolder = join(folder, 'processes')
  mkdirSync(recordFolder, { recursive: true })
  const lock = lockFolder(folder)
  try {
    await endOrphans(recordFolder)
  } catch (error) {
    lock.close()
    throw error
  }
  const children = new Set<ProcessRecord>()
  let ending = false
  return {
    spawn(name, command, args, options = {}) {
      if (ending) throw new Error(`${name} is not started any more.`)
      return spawnRecorded(recordFolder, children, name, [command, args, options])
    },
    endAll() {
      ending = true
      endNow(children)
    },
    close() {
      for (const record of children) everyChild.delete(record)
      lock.close()
    },
  }
}

/** Of all registries. Whatever way this process goes, but for a signal that it does not handle, they go too. */
const everyChild = new Set<ProcessRecord>()
process.on('exit', () => endNow(everyChild))

function endNow(records: Iterable<ProcessRecord>): void {
  for (const record of records) signalGroup(record, record.signal)
}

/** An exclusive lock that the system itself releases with the process, however that ends. */
function lockFolder(folder: string): Database.Database {
  let lock: Database.Database | undefined
  try {
    lock = new Database(join(folder, 'lock'), { timeout: 0 })
    lock.pragma('locking_mode = EXCLUSIVE')
    lock.exec('begin exclusive')
    return lock
  } catch (cause) {
    lock?.close()
    if (cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY')) {
      throw new UserError(`Another process is using the local project in ${folder}.`, {
        hint: 'Stop that one with Ctrl-C, or use it as it is.',
        cause,
      })
    }
    throw new UserError(`The local project in ${folder} cannot be locked: ${describeError(cause)}`, { cause })
  }
}

function spawnRecorded(
  recordFolder: string,
  children: Set<ProcessRecord>,
  name: string,
  [command, args, options]: [string, readonly string[], SpawnOptions],
): RecordedChild {
  // A group of its own: Ctrl-C in a terminal reaches the parent alone, which then stops its children in order.
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options, detached: true })
  const record = child.pid === undefined ? undefined : recordOf(name, child.pid)
  if (record !== undefined) {
    children.add(record)
    everyChild.add(record)
    writeFileSync(recordPath(recordFolder, record), JSON.stringify(record))
  }
  const words: string[] = []
  const remember = (chunk: Buffer) => {
    words.push(chunk.toString('utf8'))
    if (words.length > 50) words.shift()
  }
  child.stdout?.on('data', remember)
  child.stderr?.on('data', remember)
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(`${name} could not be started: ${error.message}`))
    child.once('exit', async (code, signal) => {
      if (record !== undefined) {
        children.delete(record)
        everyChild.delete(record)
        rmSync(recordPath(recordFolder, record), { force: true })
      }
      // Its last words may still be in the pipe, which its own children may hold open.
      await Promise.race([once(child, 'close'), delay(200)])
      resolve(`${name} ended (${signal ?? `exit ${code}`})`)
    })
  })
  return {
    process: child,
    lastWords: () => words.join('').trim().split('\n').slice(-15).join('\n'),
    ended,
    stop: async (signal = 'SIGTERM', graceMs = 5000) => {
      if (child.exitCode !== null || child.signalCode !== null || record === undefined) return
      child.kill(signal)
      const timer = setTimeout(() => signalGroup(record, 'SIGKILL'), graceMs)
      await ended
      clearTimeout(timer)
    },
  }
}

function recordOf(name: string, pid: number): ProcessRecord {
  return { name, pid, startedAt: startTimeOf(pid), signal: name === 'postgres' ? 'SIGQUIT' : 'SIGKILL' }
}

const recordPath = (recordFolder: string, { name, pid }: ProcessRecord): string =>
  join(recordFolder, `${name}-${pid}.json`)

async function endOrphans(recordFolder: string): Promise<void> {
  for (const file of readdirSync(recordFolder)) {
    const path = join(recordFolder, file)
    const record = readRecord(path)
    if (record !== undefined && isStill(record.pid, record.startedAt)) await end(record)
    rmSync(path, { force: true })
  }
}

async function end(record: ProcessRecord): Promise<void> {
  signalGroup(record, record.signal)
  for (let waited = 0; isStill(record.pid, record.startedAt); waited += 50) {
    if (waited === 5000) signalGroup(record, 'SIGKILL')
    if (waited === 10_000) throw cannotEnd(record)
    await delay(50)
  }
}

/** To the child and what it started itself: each child leads a group of its own. */
function signalGroup(record: ProcessRecord, signal: NodeJS.Signals): void {
  try {
    process.kill(process.platform === 'win32' ? record.pid : -record.pid, signal)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ESRCH') return
    throw cannotEnd(record, cause)
  }
}

const cannotEnd = ({ name, pid }: ProcessRecord, cause?: unknown) =>
  new UserError(`${name} (process ${pid}) is left from an earlier run and cannot be ended.`, {
    hint: `End it as the user who started it: kill ${pid}`,
    cause,
  })

function readRecord(path: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // Half-written by a parent that was killed in this very moment: its child had not been started for long.
    return undefined
  }
}

const isStill = (pid: number, startedAt: string): boolean =>
  startedAt !== '' && startTimeOf(pid) === startedAt

/** When that process began, in whatever form the system tells it; empty when there is no such process. */
function startTimeOf(pid: number): string {
  if (process.platform === 'linux') {
    try {
      // Field 22, counted after the command's closing parenthesis: the command itself may hold spaces. A
      // zombie (state Z) has ended and only waits for its parent to notice.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
      return fields[0] === 'Z' ? '' : (fields[19] ?? '')
    } catch {
      return ''
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}
