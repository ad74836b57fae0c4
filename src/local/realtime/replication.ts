import { randomBytes } from 'node:crypto'
import type { Client } from 'pg'
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication'
import { describeError, UserError } from '../../errors.ts'
import { gatheringSocket } from './gathering-socket.ts'
import { createReader } from './reader.ts'
import { rowMessage, type StreamMessage } from './rows.ts'

export interface ReplicationOptions {
  readonly databaseUrl: string
  readonly publication: string
  /** Each message of the stream in commit order, one at a time: the stream waits for the answer, if there is one. */
  onMessage(message: StreamMessage): Promise<void> | undefined
  /** The stream is lost; it is taken up again by itself, without what was committed in between. */
  onDown(why: string): void
  /** The stream is back after it was lost. */
  onUp(): void
}

export interface Replication {
  readonly connected: boolean
  /** The beginning of its slots' names. */
  readonly slots: string
  stop(): Promise<void>
}

/** How long to wait before the next try while the database is away. */
const RETRY_MS = 250

/** Values are wanted as PostgreSQL prints them, always in the same style. */
const SESSION = '-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1'

/**
 * Reads the changes of a publication over a temporary slot: as with the real server, what is committed while
 * nobody listens is not replayed, and no slot is left behind, whatever ends this process. Throws a UserError
 * when the database cannot be reached at the start.
 */
export async function startReplication(options: ReplicationOptions): Promise<Replication> {
  const slots = `mediaferry_${randomBytes(6).toString('hex')}_`
  let count = 0
  const open = (): Promise<Session> => openSession(options, `${slots}${++count}`)
  let session: Session | undefined = await open().catch(error => {
    throw unreachable(error)
  })
  let stopped = false
  let wake: () => void = () => undefined

  async function keepUp(): Promise<void> {
    while (!stopped) {
      const why = await session?.ended
      session = undefined
      if (stopped) return
      options.onDown(describeError(why))
      while (!stopped && session === undefined) {
        await new Promise<void>(resolve => {
          wake = resolve
          setTimeout(resolve, RETRY_MS).unref()
        })
        if (!stopped) session = await open().catch(() => undefined)
      }
      if (!stopped) options.onUp()
    }
  }

  const kept = keepUp()
  return {
    slots,
    get connected() {
      return session !== undefined
    },
    async stop() {
      stopped = true
      wake()
      await session?.stop()
      await kept
      await session?.stop()
    },
  }
}

interface Session {
  /** Settles with the reason when the connection ends. */
  readonly ended: Promise<unknown>
  stop(): Promise<void>
}

async function openSession(options: ReplicationOptions, slot: string): Promise<Session> {
  const service = new LogicalReplicationService(
    {
      connectionString: options.databaseUrl,
      application_name: 'mediaferry_realtime_stream',
      options: SESSION,
      stream: gatheringSocket,
    },
    { acknowledge: { auto: false, timeoutSeconds: 0 } },
  )
  const plugin = temporarySlot(options.publication)
  const reader = createReader({
    handle: options.onMessage,
    confirm: lsn => void confirm(service, lsn),
    wire: plugin.wire,
  })
  service.on('data', (_lsn: string, message: StreamMessage) => reader.take(message))
  // Asked for when the server has heard nothing for half its patience, and before it shuts down.
  service.on('heartbeat', (lsn: string, _time: number, shouldRespond: boolean) => {
    if (shouldRespond) reader.asked(lsn)
  })
  service.on('error', () => undefined)
  const stop = async (): Promise<void> => {
    // Of what is left of a lost connection nothing may reach anybody: it would arrive out of order.
    reader.end()
    await service.destroy()
  }
  const ended = service.subscribe(plugin, slot).then(
    () => new Error('the server closed the connection'),
    async (error: unknown) => {
      await stop().catch(() => undefined)
      return error
    },
  )
  await new Promise<void>((resolve, reject) => {
    service.on('start', () => resolve())
    ended.then(reject)
  })
  return { ended, stop }
}

/**
 * Confirms all before `lsn`. The library confirms one byte more than it is given, and a PostgreSQL that shuts
 * down waits for ever for a reader that claims to be ahead of it: the confirmation must be exact.
 */
async function confirm(service: LogicalReplicationService, lsn: string): Promise<void> {
  const [upper = '0', lower = '0'] = lsn.split('/')
  const before = (BigInt(`0x${upper}`) << 32n) + BigInt(`0x${lower}`) - 1n
  if (before >= 0n)
    await service.acknowledge(`${(before >> 32n).toString(16)}/${(before & 0xffffffffn).toString(16)}`)
}

/**
 * Creates its slot on the connection that reads it, so that it ends with it, and leaves rows as they came: taken apart
 * is what is wanted of them, when it is wanted.
 */
function temporarySlot(publication: string) {
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication], messages: true })
  let connected: Client | undefined
  return {
    name: plugin.name,
    options: plugin.options,
    async start(client: Client, slotName: string, lastLsn: string): Promise<unknown> {
      connected = client
      await client.query(
        `CREATE_REPLICATION_SLOT "${slotName}" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')`,
      )
      return plugin.start(client, slotName, lastLsn)
    },
    parse: (bytes: Buffer): StreamMessage => rowMessage(bytes) ?? plugin.parse(bytes),
    /** What the changes come from. */
    wire: () => connected?.connection.stream,
  }
}

function unreachable(error: unknown): UserError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const hint =
    code === '55000'
      ? 'Set wal_level = logical in its configuration and restart it.'
      : 'Start the database first, and check its URL and that its user may replicate.'
  return new UserError(`Realtime cannot read the changes of its database: ${describeError(error)}`, {
    hint,
    cause: error,
  })
}
