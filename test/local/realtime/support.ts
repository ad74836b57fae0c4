import { createHmac } from 'node:crypto'
import { mock } from 'node:test'
import {
  createClient,
  type RealtimeChannel,
  type RealtimePostgresChangesFilter,
  type SupabaseClient,
} from '@supabase/supabase-js'
import pg from 'pg'
import { pino } from 'pino'
import { WebSocket } from 'ws'
import type { Clock } from '../../../src/local/realtime/clock.ts'
import { listenRealtime } from '../../../src/local/realtime/listener.ts'
import {
  type RealtimeOptions,
  type RealtimeServer,
  startRealtime,
} from '../../../src/local/realtime/server.ts'

export const KEYS = {
  publishable: 'sb_publishable_test',
  secret: ['sb_secret_test', 'sb_secret_second'],
  jwtSecret: 'a secret of at least thirty-two letters',
}
export const SECRET_KEY = 'sb_secret_test'

/** How long a test waits for something that must come. */
const PATIENCE_MS = 10_000

export interface Scope {
  after(end: () => Promise<void>): void
}

export interface RealtimeDatabase {
  /** Runs before the database is dropped, the latest first: a database that is still read cannot be. */
  atEnd(end: () => Promise<void>): void
  readonly url: string
  readonly name: string
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** A connection of its own, for open transactions. */
  connect(): Promise<pg.Client>
}

/** The tables of the recordings, in a database of this file's own. */
export async function realtimeDatabase(scope: Scope): Promise<RealtimeDatabase> {
  const admin = process.env.MEDIAFERRY_TEST_DATABASE
  if (admin === undefined) throw new Error('MEDIAFERRY_TEST_DATABASE is not set: run `npm test -- <file>`.')
  const name = `realtime_${process.pid}_${Math.random().toString(36).slice(2, 10)}`
  await once(admin, `create database ${name}`)
  const url = new URL(admin)
  url.pathname = `/${name}`
  await once(url.href, SCHEMA)
  // Rows must reach the log at once, also where the cluster lets commits wait for the WAL writer.
  const pool = new pg.Pool({ connectionString: url.href, max: 4, options: '-c synchronous_commit=on' })
  pool.on('error', () => undefined)
  const ends = [async () => once(admin, `drop database ${name} with (force)`), () => pool.end()]
  scope.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return {
    url: url.href,
    name,
    atEnd: end => ends.push(end),
    sql: async (text, values = []) => (await pool.query(text, values)).rows,
    async connect() {
      const client = new pg.Client({ connectionString: url.href, options: '-c synchronous_commit=on' })
      await client.connect()
      ends.push(() => client.end())
      return client
    },
  }
}

/** The roles belong to the cluster: another test file may be making them at the same moment. */
const SCHEMA = `
do $$ begin create role anon nologin; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role authenticated nologin; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role service_role nologin bypassrls; exception when duplicate_object or unique_violation then null; end $$;
create table attachments (
  id uuid primary key default gen_random_uuid(), seq int8 generated always as identity, status text, note text);
create table sharded (
  id uuid primary key default gen_random_uuid(), seq int8 generated always as identity, shard int4, note text);
create table notpub (id int8 primary key);
create table nopriv (id int8 primary key);
create table nopk (id int8);
create table rlst (id int4 primary key, owner text, note text);
alter table rlst enable row level security;
create policy own on rlst for select using (owner = current_setting('request.jwt.claims')::json ->> 'sub');
create type mood as enum ('SAD', 'HAPPY');
create table alltypes (
  id int4 primary key, i2 int2, i8 int8, n numeric, f8 float8, b bool, t text, ts timestamptz, d date, j jsonb,
  ta text[], u uuid, bin bytea, nul text);
create table canary (worker text primary key, beat int8, xid xid8 default pg_current_xact_id(), mood mood default 'SAD');
grant usage on schema public to anon, authenticated, service_role;
grant select on attachments, sharded, nopk, rlst, alltypes, canary to anon, authenticated, service_role;
create publication supabase_realtime for table attachments, sharded, nopriv, nopk, rlst, alltypes, canary;
`

export interface TestServer {
  readonly server: RealtimeServer
  readonly url: string
  /** The websockets that were asked for, granted or not. */
  readonly upgrades: Inbox<string>
  /** Opens a plain websocket with one kind of key and serialization. */
  connect(key?: string, vsn?: string): Promise<RawClient>
}

export async function testServer(
  database: RealtimeDatabase,
  options: Partial<RealtimeOptions> = {},
): Promise<TestServer> {
  const server = await startRealtime({
    databaseUrl: database.url,
    keys: KEYS,
    log: pino({ level: 'silent' }),
    ...options,
  })
  const upgrades = inbox<string>('upgrades')
  const listener = await listenRealtime({
    ...server,
    handleUpgrade(request, socket, head) {
      server.handleUpgrade(request, socket, head)
      upgrades.put(request.url ?? '')
    },
  })
  const clients: RawClient[] = []
  database.atEnd(async () => {
    await server.stop()
    for (const client of clients) client.socket.terminate()
    await listener.close()
  })
  return {
    server,
    url: listener.url,
    upgrades,
    async connect(key = SECRET_KEY, vsn = '2.0.0') {
      const client = rawClient(`${listener.url}/realtime/v1/websocket?apikey=${key}&vsn=${vsn}`)
      clients.push(client)
      await new Promise<void>((resolve, reject) => client.socket.once('open', resolve).once('error', reject))
      return client
    },
  }
}

/** What came and was not asked for yet; asking waits for it. */
export interface Inbox<Item> {
  readonly items: readonly Item[]
  put(item: Item): void
  /** Takes the oldest item that fits. */
  take(fits?: (item: Item) => boolean): Promise<Item>
  /** Forgets what has come so far. */
  clear(): void
}

export function inbox<Item>(what: string): Inbox<Item> {
  const items: Item[] = []
  let news = Promise.withResolvers<void>()
  return {
    items,
    clear() {
      items.length = 0
    },
    put(item) {
      items.push(item)
      news.resolve()
      news = Promise.withResolvers()
    },
    async take(fits = () => true) {
      const late = Promise.withResolvers<never>()
      const timer = setTimeout(() => {
        late.reject(new Error(`${what}: nothing that fits came in time, only ${JSON.stringify(items)}`))
      }, PATIENCE_MS)
      try {
        for (;;) {
          const index = items.findIndex(fits)
          const [item] = index < 0 ? [] : items.splice(index, 1)
          if (item !== undefined) return item
          await Promise.race([news.promise, late.promise])
        }
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

export interface RawClient {
  readonly socket: WebSocket
  /** Frames as they came. */
  readonly frames: Inbox<string>
  readonly closed: Promise<number>
  send(frame: unknown): void
  /** Joins and waits for the `system` frame. */
  listen(topic: string, bindings: object[], token?: string): Promise<void>
  /** Leaves what `listen` joined, and waits until the server has closed it. */
  leave(topic: string): Promise<void>
  /** Sends a heartbeat and waits for its answer, after all that was on its way before. */
  beat(): Promise<void>
  /** Notes of the rows that came, oldest first; forgets them. */
  notes(): string[]
}

export function rawClient(url: string): RawClient {
  const socket = new WebSocket(url.replace(/^http/, 'ws'))
  const frames = inbox<string>('frames')
  socket.on('message', data => frames.put(String(data)))
  const closed = new Promise<number>(resolve => socket.once('close', resolve))
  const joins = new Map<string, string>()
  let ref = 1000
  const send = (frame: unknown): void => socket.send(JSON.stringify(frame))
  return {
    socket,
    frames,
    closed,
    send,
    async listen(topic, bindings, token) {
      const payload = {
        config: { postgres_changes: bindings },
        ...(token === undefined ? {} : { access_token: token }),
      }
      const join = String(ref++)
      joins.set(topic, join)
      send([join, join, `realtime:${topic}`, 'phx_join', payload])
      await frames.take(text => text.startsWith(`["${join}","${join}"`) && text.includes('"status":"ok"'))
      await frames.take(
        text => text.startsWith(`["${join}",null`) && text.includes('Subscribed to PostgreSQL'),
      )
    },
    async leave(topic) {
      const join = joins.get(topic)
      send([join, String(ref++), `realtime:${topic}`, 'phx_leave', {}])
      await frames.take(text => text === `["${join}","${join}","realtime:${topic}","phx_close",{}]`)
    },
    async beat() {
      const mine = String(ref++)
      send([null, mine, 'phoenix', 'heartbeat', {}])
      await frames.take(text => text.startsWith(`[null,"${mine}","phoenix"`))
    },
    notes() {
      const found: string[] = []
      for (const text of frames.items) {
        const frame = JSON.parse(text)
        if (frame[3] === 'postgres_changes') found.push(frame[4].data.record.note)
      }
      return found
    },
  }
}

/** The real client of Supabase, and all that it tells its caller. */
export interface Listener {
  readonly client: SupabaseClient
  /** `SUBSCRIBED`, or another status with what stands behind it. */
  readonly statuses: Inbox<string>
  /** Messages of the `system` frames. */
  readonly system: Inbox<string>
  /** `INSERT a`: type and note (or beat) of each row. */
  readonly rows: Inbox<string>
  /** Sends a heartbeat and waits for its answer. */
  beat(): Promise<void>
  join(topic: string): RealtimeChannel
  /** Waits for the `system` ok frame. */
  heard(): Promise<void>
  close(): Promise<void>
}

export function listener(
  { url }: TestServer,
  database: RealtimeDatabase,
  options: {
    key?: string
    bindings?: RealtimePostgresChangesFilter<'*'>[]
  } = {},
): Listener {
  const heartbeats = inbox<string>('heartbeats')
  const client: SupabaseClient = createClient(url, options.key ?? SECRET_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: {
      reconnectAfterMs: () => 20,
      heartbeatCallback: status => heartbeats.put(status),
    },
  })
  const close = async (): Promise<void> => {
    await Promise.all(client.getChannels().map(channel => client.removeChannel(channel)))
    await withoutLingering(() => client.realtime.disconnect())
  }
  database.atEnd(close)
  const join = (topic: string): RealtimeChannel => {
    let channel = client.channel(topic)
    for (const binding of options.bindings ?? [{ event: '*', schema: 'public', table: 'attachments' }]) {
      channel = channel.on('postgres_changes', binding, change => {
        const row: Record<string, unknown> = change.new
        found.rows.put(`${change.eventType} ${row.note ?? row.beat ?? JSON.stringify(change.old)}`)
      })
    }
    channel.on('system', {}, (frame: { message: string }) => found.system.put(frame.message))
    return channel.subscribe((status, error) =>
      found.statuses.put(error ? `${status} ${error.message}` : status),
    )
  }
  const found: Listener = {
    client,
    statuses: inbox('statuses'),
    system: inbox('system frames'),
    rows: inbox('rows'),
    async beat() {
      heartbeats.clear()
      await client.realtime.sendHeartbeat()
      await heartbeats.take(status => status === 'ok')
    },
    join,
    close,
    async heard() {
      await found.system.take(message => message === 'Subscribed to PostgreSQL')
    },
  }
  return found
}

/** realtime-js 2.119 leaves a timer of 10 s behind at every disconnect, which would hold up the end of the test file. */
async function withoutLingering(disconnect: () => Promise<unknown>): Promise<void> {
  const plain = globalThis.setTimeout
  const patched = mock.method(globalThis, 'setTimeout', (work: () => void, ms: number) =>
    plain(work, ms).unref(),
  )
  const done = disconnect()
  patched.mock.restore()
  await done
}

export interface FakeClock extends Clock {
  advance(ms: number): void
  /** The waits that were begun, in milliseconds. */
  readonly waits: Inbox<number>
}

export function fakeClock(start = Date.now()): FakeClock {
  let now = start
  const timers = new Set<{ at: number; work: () => void }>()
  const waits = inbox<number>('waits')
  return {
    now: () => now,
    waits,
    after(ms, work) {
      const timer = { at: now + ms, work }
      timers.add(timer)
      waits.put(ms)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        const [next] = [...timers].filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        timers.delete(next)
        now = Math.max(now, next.at)
        next.work()
      }
      now = end
    },
  }
}

export function jwt(claims: object, secret = KEYS.jwtSecret): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

async function once(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}
