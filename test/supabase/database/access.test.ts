import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase } from '../../support/database.ts'
import { sqlState } from './functions.ts'

const SCHEMAS = ['public', 'mediaferry']
const DENIED = sqlState('42501')

for (const role of ['anon', 'authenticated'] as const) {
  test(`${role} reads and writes no table`, async t => {
    const db = await freshDatabase(t)
    const client = await db.connect(role)
    const tables = await db.rows<{ name: string; schema: string }>(
      `select relname as name, relnamespace::regnamespace::text as schema from pg_class
       where relkind in ('r', 'p', 'v', 'm', 'f') and relnamespace::regnamespace::text = any($1)`,
      [SCHEMAS],
    )
    assert.ok(tables.length >= 9, 'the catalog lists our tables')
    for (const { name, schema } of tables) {
      const table = `${schema}.${name}`
      await assert.rejects(client.query(`select from ${table}`), DENIED, `select from ${table}`)
      await assert.rejects(
        client.query(`insert into ${table} default values`),
        DENIED,
        `insert into ${table}`,
      )
      await assert.rejects(client.query(`delete from ${table}`), DENIED, `delete from ${table}`)
      await assert.rejects(client.query(`truncate ${table}`), DENIED, `truncate ${table}`)
    }
  })

  test(`${role} executes no function and draws from no sequence`, async t => {
    const db = await freshDatabase(t)
    const executable = await db.rows(
      `select oid::regprocedure::text as name from pg_proc
       where pronamespace::regnamespace::text = any($1) and has_function_privilege($2, oid, 'execute')`,
      [SCHEMAS, role],
    )
    assert.deepEqual(executable, [])
    const sequences = await db.rows(
      `select oid::regclass::text as name from pg_class
       where relkind = 'S' and relnamespace::regnamespace::text = any($1)
         and case when relkind = 'S' then has_sequence_privilege($2, oid, 'usage, select, update') end`,
      [SCHEMAS, role],
    )
    assert.deepEqual(sequences, [])
    const columns = await db.rows(
      `select attrelid::regclass::text as table_name, attname from pg_attribute join pg_class c on c.oid = attrelid
       where relkind = 'r' and relnamespace::regnamespace::text = any($1) and attnum > 0 and not attisdropped
         and has_column_privilege($2, attrelid, attnum, 'select, insert, update, references')`,
      [SCHEMAS, role],
    )
    assert.deepEqual(columns, [])
  })

  test(`${role} sees nothing even when somebody grants a table by mistake`, async t => {
    const db = await freshDatabase(t)
    await db.rows(`grant select, insert, update, delete on all tables in schema public to ${role}`)
    await db.rows("insert into leads (phone) values ('490000001')")
    const client = await db.connect(role)
    assert.equal((await client.query('select from leads')).rowCount, 0)
    assert.equal((await client.query('update pipeline_control set paused = true')).rowCount, 0)
    await assert.rejects(client.query("insert into leads (phone) values ('490000002')"), DENIED)
  })
}

test('row level security is on for every table, without a policy', async t => {
  const db = await freshDatabase(t)
  const open = await db.rows(
    `select oid::regclass::text as name from pg_class
     where relkind in ('r', 'p') and relnamespace::regnamespace::text = any($1) and not relrowsecurity`,
    [SCHEMAS],
  )
  assert.deepEqual(open, [])
  assert.deepEqual(
    await db.rows("select policyname from pg_policies where schemaname in ('public', 'mediaferry')"),
    [],
  )
})

/** They keep the counts true for whoever writes, and take no argument. */
const AS_OWNER = /^mediaferry\.count_(inserted|updated|deleted|truncated)\(\)$/

test('every function is invoked with its caller’s rights and an empty search path', async t => {
  const db = await freshDatabase(t)
  const functions = await db.rows<{
    name: string
    definer: boolean
    settings: string[] | null
    granted: boolean
  }>(
    `select oid::regprocedure::text as name, prosecdef as definer, proconfig as settings,
       has_function_privilege('service_role', oid, 'execute') or prorettype = 'trigger'::regtype as granted
     from pg_proc where pronamespace::regnamespace::text = any($1)`,
    [SCHEMAS],
  )
  assert.ok(functions.length >= 11)
  for (const { name, definer, settings, granted } of functions) {
    assert.equal(definer, AS_OWNER.test(name), `${name} is security invoker`)
    assert.ok(settings?.includes('search_path=""'), `${name} has an empty search path`)
    assert.ok(granted, `${name} may be called by service_role`)
  }
})

// Hosted projects load pg-safeupdate for the Data API's sessions: SQLSTATE 21000, also inside of functions.
test('every update and delete of a function has a WHERE clause', async t => {
  const db = await freshDatabase(t)
  const bodies = await db.rows<{ name: string; body: string }>(
    `select oid::regprocedure::text as name, prosrc as body from pg_proc
     where pronamespace::regnamespace::text = any($1)`,
    [SCHEMAS],
  )
  const found = bodies.flatMap(({ name, body }) =>
    Array.from(
      body.matchAll(/\b(?:update (?:public|mediaferry)\.|delete from )(?:(?!\breturning\b)[^;])*/g),
      ([statement]) => ({ name, statement }),
    ),
  )
  assert.ok(found.length >= 15)
  for (const { name, statement } of found) assert.match(statement, /\bwhere\b/, `${name}: ${statement}`)
})

test('service_role appends events and never rewrites them', async t => {
  const db = await freshDatabase(t)
  const client = await db.connect('service_role')
  await client.query("insert into system_events (event) values ('something')")
  await assert.rejects(client.query("update system_events set event = 'nothing'"), DENIED)
  await assert.rejects(client.query('truncate system_events'), DENIED)
})

test('the bucket is private, as large as WhatsApp sends, and open to every type', async t => {
  const db = await freshDatabase(t)
  const [bucket] = await db.rows(
    `select public, file_size_limit::int, allowed_mime_types from storage.buckets where id = 'attachments'`,
  )
  assert.deepEqual(bucket, { public: false, file_size_limit: 104_857_600, allowed_mime_types: null })
})

test('Realtime announces attachments and canaries, and nothing else of ours', async t => {
  const db = await freshDatabase(t)
  const rows = await db.rows<{ tablename: string }>(
    "select tablename from pg_publication_tables where pubname = 'supabase_realtime' order by 1",
  )
  assert.deepEqual(
    rows.map(row => row.tablename),
    ['attachments', 'realtime_canary'],
  )
})
