import pg from 'pg'
import { z } from 'zod'
import type { TestDatabase } from '../../support/database.ts'
import type { Identities } from './requests.ts'
import type { Outcome, Side } from './side.ts'

export interface PostgresSide extends Side {
  /** Rolls back what is open and empties every table; ids begin at one again. */
  reset(): Promise<void>
}

/** The arguments of each function, read from one JSON value as the Data API does. */
const ARGUMENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ingest_whatsapp_messages: { messages: 'jsonb', rejected: 'jsonb' },
  claim_attachments: { worker: 'text', ids: 'bigint[]', max: 'integer', lease: 'interval' },
  renew_leases: { worker: 'text', claims: 'jsonb', lease: 'interval' },
  settle_attachments: { worker: 'text', results: 'jsonb' },
  release_claims: { worker: 'text' },
  attachments_after: { xid: 'xid8', id: 'bigint', max: 'integer' },
  beat_canary: { worker: 'text', state: 'text', circuits: 'jsonb', version: 'text' },
  record_events: { events: 'jsonb' },
  retry_attachments: { ids: 'bigint[]', code: 'text', max: 'integer' },
  set_pipeline_paused: { paused: 'boolean', changed_by: 'text', reason: 'text' },
  pipeline_summary: {},
}

const HELD = `
  select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'claim_token', a.claim_token) order by a.id), '[]') as answer
  from json_to_record($1) as given (worker text)
  join public.attachments a on a.upload_status = 'UPLOADING' and a.leased_by = given.worker
    and a.leased_until is not null`

function statementFor(name: string): string {
  if (name === 'held') return HELD
  const columns = Object.entries(ARGUMENTS[name] ?? {})
  const passed = columns.map(([column]) => `"${column}" => given."${column}"`).join(', ')
  const given = columns.map(([column, type]) => `"${column}" ${type}`).join(', ')
  const source = columns.length === 0 ? '' : `from json_to_record($1) as given (${given})`
  return `select public.${name}(${passed}) as answer ${source}`
}

const TABLES = `
  select jsonb_build_object(
    'attachments', (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from attachments t),
    'events', (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from system_events t),
    'leads', (select coalesce(jsonb_agg(to_jsonb(t) - 'forget_after'), '[]') from leads t),
    'messages', (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from processed_messages t),
    'rejects', (
      select coalesce(jsonb_agg(
        to_jsonb(t) - array['id', 'payload_sha256'] || jsonb_build_object('payload', encode(t.payload, 'hex'))
      ), '[]')
      from rejected_payloads t
    ),
    'control', (select jsonb_agg(to_jsonb(t) - 'singleton') from pipeline_control t),
    'canaries', (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from realtime_canary t)
  ) as tables`

const EMPTY = `
  truncate attachments, leads, processed_messages, rejected_payloads, system_events, realtime_canary,
    pipeline_control restart identity;
  insert into pipeline_control default values`

const TIMES = `
  select table_name, array_agg(column_name::text) as columns
  from information_schema.columns join information_schema.tables using (table_schema, table_name)
  where table_schema = 'public' and table_type = 'BASE TABLE' and data_type = 'timestamp with time zone'
  group by table_name`

const tablesShape = z.record(z.string(), z.array(z.record(z.string(), z.json())))

/** That many connections to the database, as service_role. Time passes by moving every time in the tables back. */
export async function postgresSide(db: TestDatabase, connections: number): Promise<PostgresSide> {
  const times = await db.rows<{ table_name: string; columns: string[] }>(TIMES)
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(db)))
  const open = new Set<number>()
  let beginning = Date.now()

  function client(on: number): pg.Client {
    const found = clients[on]
    if (found === undefined) throw new Error(`There is no connection ${on}.`)
    return found
  }

  async function end(on: number, how: 'commit' | 'rollback'): Promise<void> {
    open.delete(on)
    await client(on).query(how)
  }

  return {
    call: async (on, name, args): Promise<Outcome> => {
      const values = Object.keys(args).length === 0 ? [] : [JSON.stringify(args)]
      try {
        const { rows } = await client(on).query({ name, text: statementFor(name), values })
        return { answer: rows[0]?.answer }
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error
        // The driver hears of an error before the server has given the locks back; of this answer only after.
        await client(on).query('')
        return { sqlstate: error.code ?? '' }
      }
    },
    begin: async on => {
      await client(on).query('begin')
      open.add(on)
    },
    end,
    advance: async seconds => {
      const moved = times.map(({ table_name: table, columns }) => {
        const moves = columns.map(column => `${column} = ${column} - interval '${seconds} seconds'`)
        return `update ${table} set ${moves.join(', ')}`
      })
      await db.rows(moved.join(';'))
    },
    hour: () => beginning,
    tables: async () => tablesShape.parse((await db.rows(TABLES))[0]?.tables),
    reset: async () => {
      for (const on of open) await end(on, 'rollback')
      await db.rows(EMPTY)
      beginning = Date.now()
    },
  }
}

/**
 * Nobody here is to wait for anybody: the model knows what is locked, and says 55P03 where PostgreSQL would wait. A
 * statement that waits although it should not ends likewise, and differs.
 */
async function connect(db: TestDatabase): Promise<pg.Client> {
  const client = await db.connect('service_role')
  await client.query("set lock_timeout = '10ms'; set statement_timeout = '10s'")
  return client
}

/**
 * Users and phones whose advisory locks fall into buckets of their own, so that one person's never waits for
 * another's by chance.
 */
export async function identitiesOf(db: TestDatabase): Promise<Identities> {
  const rows = await db.rows<{ value: string }>(
    `select distinct on (hashtext(value) & 255) value
     from generate_series(100, 199) n, lateral (values ('DE.' || n), ('49170' || n)) candidates (value)
     order by hashtext(value) & 255, value`,
  )
  const values = rows.map(({ value }) => value)
  const isUser = (value: string) => value.startsWith('DE.')
  return {
    users: values.filter(isUser).slice(0, 4),
    phones: values.filter(value => !isUser(value)).slice(0, 4),
  }
}
