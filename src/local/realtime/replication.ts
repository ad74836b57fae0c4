import { randomBytes } from 'node:crypto'
import type { Client } from 'pg'
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication'
import { describeError, UserError } from '../../errors.ts'

export interface ReplicationOptions {
  readonly databaseUrl: string
  readonly publication: string
  /** Whether anybody listens for such changes of that table; the rows of others are not read. */
  wants(type: RowChange, schema: string, table: string): boolean
  /** Each message of the stream in commit order, one at a time: the stream waits for the answer. */
  onMessage(message: Pgoutput.Message): Promise<void>
  /** The stream is lost; it is taken up again by itself, without what was committed in between. */
  onDown(why: string): void
  /** The stream is back after it was lost. */
  onUp(): void
}

type RowChange = 'INSERT' | 'UPDATE' | 'DELETE'

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
    },
    { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: true } },
  )
  let over = false
  // Of what is left in the queue of a lost connection nothing may reach anybody: it would arrive out of order.
  service.on('data', async (_lsn: string, message: Pgoutput.Message) => {
    if (over) return
    await options.onMessage(message)
    if (message.tag === 'commit' && message.commitEndLsn !== null)
      await confirm(service, message.commitEndLsn)
  })
  // Asked for when the server has heard nothing for half its patience, and before it shuts down.
  service.on('heartbeat', async (lsn: string, _time: number, shouldRespond: boolean) => {
    if (shouldRespond) await confirm(service, lsn)
  })
  service.on('error', () => undefined)
  const plugin = new TemporarySlot(
    { protoVersion: 1, publicationNames: [options.publication], messages: true },
    options.wants,
  )
  const stop = async (): Promise<void> => {
    over = true
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

/** The first byte of a row's message (PostgreSQL's "Logical Replication Message Formats"); its relation's oid follows. */
const ROW_CHANGES: Readonly<Record<number, RowChange>> = { 73: 'INSERT', 85: 'UPDATE', 68: 'DELETE' }

/** What a row becomes that nobody listens for. */
const PASSED_OVER: Pgoutput.MessageOrigin = { tag: 'origin', originLsn: null, originName: '' }

/**
 * Creates its slot on the connection that reads it, so that it ends with it, leaves all values as text, and reads no
 * row that nobody listens for: of an attachment's three changes the daemon hears one.
 */
class TemporarySlot extends PgoutputPlugin {
  readonly #wants: ReplicationOptions['wants']
  readonly #relations = new Map<number, Pgoutput.MessageRelation>()

  constructor(options: ConstructorParameters<typeof PgoutputPlugin>[0], wants: ReplicationOptions['wants']) {
    super(options)
    this.#wants = wants
  }

  override async start(client: Client, slotName: string, lastLsn: string): Promise<unknown> {
    await client.query(
      `CREATE_REPLICATION_SLOT "${slotName}" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')`,
    )
    return super.start(client, slotName, lastLsn)
  }

  override parse(buffer: Buffer): Pgoutput.Message {
    const change = ROW_CHANGES[buffer[0] ?? 0]
    const changed = change === undefined ? undefined : this.#relations.get(buffer.readInt32BE(1))
    if (change !== undefined && changed !== undefined && !this.#wants(change, changed.schema, changed.name)) {
      return PASSED_OVER
    }
    const message = super.parse(buffer)
    if (message.tag === 'relation') {
      this.#relations.set(message.relationOid, message)
      for (const column of message.columns) column.parser = (text: unknown) => text
    }
    return message
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
