import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import Database from 'better-sqlite3'
import type { CursorStore } from '../attachment.ts'
import { describeError, UserError } from '../errors.ts'
import { CURSOR_TABLE, cursorStore } from './cursor.ts'
import { APPLICATION_ID, openLocked, refusalOf, SCHEMA_VERSION, type StateWarning, setAside } from './lock.ts'
import { OUTBOX_TABLE, type Outbox, outbox } from './outbox.ts'

export type { StateWarning } from './lock.ts'

/** Runs one write. What fails is told, once for each bout of trouble, and not thrown: the row in Postgres is the truth. */
export type Write = (work: () => void) => void

export interface StateFile {
  /** Who we are towards the database: made once for each file, letters, digits and hyphens only. */
  readonly workerId: string
  readonly cursor: CursorStore
  readonly outbox: Outbox
  /** May be called twice. */
  close(): void
}

export interface StateOptions {
  /** The Supabase project this state belongs to (its URL). With another project's state we would settle the wrong rows. */
  readonly project: string
  readonly warn: (warning: StateWarning) => void
}

const TABLES = `
  create table identity (
    only_one integer primary key check (only_one = 1),
    worker_id text not null,
    project text not null,
    inode text not null
  ) strict;
  ${CURSOR_TABLE};
  ${OUTBOX_TABLE};
  pragma application_id = ${APPLICATION_ID};
  pragma user_version = ${SCHEMA_VERSION};`

/**
 * Opens the daemon's state file and holds it until `close`. Everything in it can be rebuilt from the database;
 * what it saves is time: the same worker id after a restart, and uploads that need not be fetched again.
 *
 * Throws a UserError when another process has the file, when it cannot be written, or when it is another
 * program's database. A damaged file, or one of another project, is renamed and a new one begun, with a warning.
 */
export function openStateFile(path: string, { project, warn }: StateOptions): StateFile {
  const first = openFor(path, project, warn)
  if (first !== null) return first
  const aside = setAside(path)
  warn({
    code: 'state_set_aside',
    message: `The state file ${path} belongs to another Supabase project. It was renamed to ${aside} and a new one begun.`,
  })
  const second = openFor(path, project, warn)
  if (second === null) throw new UserError(`The state file ${path} is being changed by somebody else.`)
  return second
}

function openFor(path: string, project: string, warn: (warning: StateWarning) => void): StateFile | null {
  const database = openLocked(path, warn)
  try {
    const workerId = identify(database, project, inodeOf(path), warn)
    if (workerId !== null) return stateOf(database, workerId, path, warn)
  } catch (error) {
    database.close()
    throw refusalOf(error, path).error
  }
  database.close()
  return null
}

/** A state that is gone when it is closed, for a worker that lives for one sweep. */
export function openTemporaryState({ project, warn }: StateOptions): StateFile {
  const database = new Database(':memory:')
  const workerId = identify(database, project, 'none', warn)
  return stateOf(database, workerId ?? newWorkerId(), 'in memory', warn)
}

function stateOf(
  database: Database.Database,
  workerId: string,
  path: string,
  warn: (warning: StateWarning) => void,
): StateFile {
  const write = bestEffort(path, warn)
  return {
    workerId,
    cursor: cursorStore(database, write),
    outbox: outbox(database, write, warn),
    close: () => {
      database.close()
    },
  }
}

/** The worker id of the file, whose tables are made when it is new; null when it is another project's. */
function identify(
  database: Database.Database,
  project: string,
  inode: string,
  warn: (warning: StateWarning) => void,
): string | null {
  const isNew = database.pragma('user_version', { simple: true }) === 0
  const known = isNew ? undefined : database.prepare<[], Identity>(SELECT_IDENTITY).get()
  if (known !== undefined && known.project !== project) return null
  if (known !== undefined && known.inode === inode) return known.worker_id
  const workerId = newWorkerId()
  database.transaction(() => {
    if (isNew) database.exec(TABLES)
    // Two daemons with one worker id would take each other's claims: a copy becomes a worker of its own.
    if (known) database.exec('delete from identity; delete from outbox; delete from cursor')
    database
      .prepare('insert into identity (only_one, worker_id, project, inode) values (1, ?, ?, ?)')
      .run(workerId, project, inode)
  })()
  if (known) {
    warn({
      code: 'state_copied',
      message: `The state file was copied from elsewhere; this daemon goes on as the new worker ${workerId} and leaves ${known.worker_id} to the original.`,
    })
  }
  return workerId
}

interface Identity {
  readonly worker_id: string
  readonly project: string
  readonly inode: string
}

const SELECT_IDENTITY = 'select worker_id, project, inode from identity'

/** Begins with the machine's name, so that a person reading a list of workers knows which is which. */
function newWorkerId(): string {
  const host = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 30)
    .replace(/^-|-$/g, '')
  return `${host === '' ? 'worker' : host}-${randomBytes(5).toString('hex')}`
}

/** A file keeps its inode when it is renamed and gets another when it is copied. */
function inodeOf(path: string): string {
  return String(statSync(path, { bigint: true }).ino)
}

/** The write of a state file in use: a full disk or a pulled one must not stop the transfers. */
export function bestEffort(path: string, warn: (warning: StateWarning) => void): Write {
  let failing = false
  return work => {
    try {
      work()
      failing = false
    } catch (error) {
      if (failing) return
      failing = true
      warn({
        code: 'state_write_failed',
        message: `The state file ${path} cannot be written: ${describeError(error)}. Work goes on; after a crash some files are fetched again.`,
      })
    }
  }
}
