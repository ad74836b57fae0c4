import { createHmac } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import {
  type RealtimeOptions,
  type RealtimeServer,
  startRealtime,
} from '../../../src/local/realtime/server.ts'
import { type Inbox, inbox } from './inbox.ts'
import { listenRealtime } from './on-a-port.ts'
import { type RawClient, rawClient } from './raw-client.ts'

export const KEYS = {
  publishable: 'sb_publishable_test',
  secret: ['sb_secret_test', 'sb_secret_second'],
  jwtSecret: 'a secret of at least thirty-two letters',
}
export const SECRET_KEY = 'sb_secret_test'

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
