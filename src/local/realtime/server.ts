import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { UserError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Connection, serveConnection } from './connection.ts'
import { openDatabase } from './database.ts'
import { createFaults, type Faults } from './faults.ts'
import { createMarks } from './marks.ts'
import { type Replication, startReplication } from './replication.ts'
import { createStream } from './stream.ts'
import { createSubscriptions } from './subscriptions.ts'
import type { RealtimeKeys } from './tokens.ts'
import { createUpgrades } from './upgrade.ts'

/** The real server's waits, in milliseconds. All are 0 unless told: nobody waits for a local server. */
export interface RealtimeDelays {
  /** Changes are handed out every so often; the real server polls every 500 ms. */
  readonly pollMs: number
  /** A wrong key at connecting is answered that much later (really 2,000). */
  readonly badKeyMs: number
  /** A refused join is answered that much later (really 5,000). */
  readonly badTokenMs: number
  /** From the reply to the `system` frame (really 3 to 9 when warm, 1,200 to 2,700 when cold). */
  readonly systemMs: number
}

export interface RealtimeOptions {
  /** Of a user that may replicate and read the catalogs. */
  readonly databaseUrl: string
  /** Default `supabase_realtime`. It must exist. */
  readonly publication?: string
  readonly keys: RealtimeKeys
  readonly log: Log
  readonly delays?: Partial<RealtimeDelays>
  /** A client that sends nothing for so long is disconnected with 1000. Default 66,000, as measured. */
  readonly idleMs?: number
  readonly clock?: Clock
}

export interface RealtimeServer {
  /** For the `upgrade` event of an http server, for requests of `/realtime/v1/websocket`. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  readonly faults: Faults
  /** Resolves when all that is committed by now was handled: delivered or lost. Rejects when the database is away. */
  caughtUp(): Promise<void>
  /** Closes all connections with 1012 and lets go of the database. May be called twice. */
  stop(): Promise<void>
}

const IDLE_MS = 66_000
const NO_DELAYS: RealtimeDelays = { pollMs: 0, badKeyMs: 0, badTokenMs: 0, systemMs: 0 }

/**
 * A stand-in for Supabase's Realtime server (postgres_changes only), answering frame for frame like
 * supabase/realtime 2.129.8 and able to fail in each way in which that one was seen to fail. Throws a
 * UserError when the database cannot be reached or has no such publication.
 */
export async function startRealtime(options: RealtimeOptions): Promise<RealtimeServer> {
  const { log, keys, publication = 'supabase_realtime', clock = systemClock } = options
  const delays = { ...NO_DELAYS, ...options.delays }
  const connections = new Set<Connection>()
  let pending: (() => void)[] = []
  let replication: Replication | undefined

  const database = openDatabase(options.databaseUrl, error => log.debug({ err: error }, 'realtime: database'))
  const connected = (): boolean => replication?.connected === true
  const marks = createMarks(database.mark, connected)
  const subscriptions = createSubscriptions({
    publication,
    database,
    marks,
    clock,
    log,
    connected,
    systemMs: () => faults.coldStartMs ?? delays.systemMs,
    delivers: () => faults.delivers(),
  })
  const faults = createFaults(clock, {
    destroySockets: () => forAll(connection => connection.destroy()),
    closeSockets: code => forAll(connection => connection.close(code)),
    freeze: () => forAll(connection => connection.freeze()),
    thaw() {
      forAll(connection => connection.thaw())
      for (const open of pending.splice(0)) open()
    },
    killSubscriptions: () => subscriptions.silence(),
    closeChannels: message => forAll(connection => connection.closeChannels(message)),
    endColdStarts: () => subscriptions.endColdStarts(),
  })
  const upgrades = createUpgrades({
    keys,
    clock,
    badKeyMs: delays.badKeyMs,
    accepted(socket, wire, vsn, claims) {
      const connection = serveConnection(socket, wire, {
        vsn,
        claims,
        keys,
        clock,
        subscriptions,
        badTokenMs: delays.badTokenMs,
        idleMs: options.idleMs ?? IDLE_MS,
        closed: () => connections.delete(connection),
      })
      connections.add(connection)
    },
  })
  const stream = createStream({ database, marks, subscriptions, clock, log, pollMs: delays.pollMs })

  function forAll(work: (connection: Connection) => void): void {
    for (const connection of [...connections]) work(connection)
  }

  try {
    replication = await startReplication({
      databaseUrl: options.databaseUrl,
      publication,
      onMessage: stream.handle,
      onDown(why) {
        log.warn({ why }, 'realtime: the stream of changes is lost')
        subscriptions.silence()
        marks.lose(why)
      },
      onUp() {
        log.info('realtime: the stream of changes is back')
        subscriptions.reopen()
      },
    })
    if (!(await database.publicationExists(publication))) {
      throw new UserError(`The database has no publication ${publication}, which Realtime reads.`, {
        hint: `Apply the migrations first, or run: create publication ${publication}`,
      })
    }
  } catch (error) {
    await letGo()
    throw error
  }

  async function letGo(): Promise<void> {
    await replication?.stop()
    // A database that is away has ended them by itself.
    if (replication !== undefined) await database.endStreams(replication.slots).catch(() => undefined)
    await database.close()
  }

  let stopping: Promise<void> | undefined
  return {
    faults,
    handleUpgrade(request, socket, head) {
      socket.on('error', () => socket.destroy())
      if (stopping !== undefined || faults.refusing) socket.destroy()
      else if (faults.frozen) pending.push(() => upgrades.handle(request, socket, head))
      else upgrades.handle(request, socket, head)
    },
    caughtUp: () => marks.place(() => undefined),
    stop() {
      stopping ??= (async () => {
        pending = []
        forAll(connection => connection.close(1012))
        forAll(connection => connection.destroy())
        upgrades.close()
        marks.lose('the Realtime server stops')
        await letGo()
      })()
      return stopping
    },
  }
}
