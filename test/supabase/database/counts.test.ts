import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { claim, claimOne, message, pending, settle, unsuccessful, uploaded } from './functions.ts'

const COUNTED = `
  select s.upload_status,
    (select count(*)::int from attachments a where a.upload_status = s.upload_status) as counted,
    coalesce((select sum(c.delta)::int from mediaferry.status_counts c where c.upload_status = s.upload_status), 0)
      as kept
  from unnest(enum_range(null::upload_status)) s (upload_status)`

const CODES = `
  select error_code as code, count(*)::int as count from attachments
  where upload_status = 'FAILED' group by 1 order by 2 desc, 1`

async function assertTrue(db: TestDatabase, when: string): Promise<void> {
  for (const { upload_status, counted, kept } of await db.rows(COUNTED))
    assert.equal(kept, counted, `${upload_status} ${when}`)
  assert.deepEqual(await db.call('failure_counts'), { codes: await db.rows(CODES) }, `codes ${when}`)
}

const beat = (db: TestDatabase) =>
  db.call('beat_canary', { worker: 'w', state: 'running', circuits: {}, version: '0.1.0' })

test('the kept counts are those of the rows, whatever happens to them', async t => {
  const db = await freshDatabase(t)
  const [first = 0, second = 0, third = 0] = await pending(db, 7)
  await assertTrue(db, 'after an ingest')
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', first))])
  await assertTrue(db, 'after an upload')
  await settle(db, 'w', [unsuccessful(await claimOne(db, 'w', second), 'failed', {})])
  await assertTrue(db, 'after a failure')
  await settle(db, 'w', [
    unsuccessful(await claimOne(db, 'w', third), 'retry', { error_code: 'timeout', retry_in_ms: 60_000 }),
  ])
  await assertTrue(db, 'after a try that is repeated')
  await db.rows("update attachments set error_code = 'other' where id = $1", [second])
  await assertTrue(db, 'after another code')
  await db.call('retry_attachments', { ids: [second] })
  await assertTrue(db, 'after a retry')
  await claim(db, 'w', { max: 3 })
  await assertTrue(db, 'after a claim')
  await db.rows('delete from attachments where id = $1', [first])
  await assertTrue(db, 'after a delete')
  await db.rows('truncate attachments cascade')
  await assertTrue(db, 'after a truncate')
})

test('a writer that knows nothing of the counts keeps them true', async t => {
  const db = await freshDatabase(t)
  await pending(db, 2)
  const client = await db.connect('authenticated')
  await db.rows('grant select, delete on attachments to authenticated')
  await db.rows('create policy own on attachments for all to authenticated using (true)')
  await client.query('delete from attachments')
  await assertTrue(db, 'after a delete by a stranger')
})

test('two who write at once do not wait for each other, and a rollback counts nothing', async t => {
  const db = await freshDatabase(t)
  await pending(db, 4)
  const open = await db.connect('service_role')
  await open.query('begin')
  await open.query("select claim_attachments('a', '{}', 2, '1 minute')")
  await claim(db, 'b', { max: 1 })
  await open.query('rollback')
  await assertTrue(db, 'after a rollback')
})

test('beats fold the counts, and a reader beside them sees the same sums', async t => {
  const db = await freshDatabase(t)
  const reader = await db.connect()
  for (let delivery = 0; delivery < 101; delivery++)
    await db.call('ingest_whatsapp_messages', { messages: [message()], rejected: [] })
  await reader.query('begin isolation level repeatable read')
  await reader.query(COUNTED)
  await beat(db)
  const [rows] = await db.rows<{ count: number }>('select count(*)::int from mediaferry.status_counts')
  assert.equal(rows?.count, 1)
  await assertTrue(db, 'after folding')
  const { rows: seen } = await reader.query(COUNTED)
  assert.equal(seen[0]?.kept, 101)
  await reader.query('commit')
})

test('two beats that fold at once count nothing twice', async t => {
  const db = await freshDatabase(t)
  for (let delivery = 0; delivery < 102; delivery++)
    await db.call('ingest_whatsapp_messages', { messages: [message()], rejected: [] })
  const open = await db.connect('service_role')
  await open.query('begin')
  await open.query('select mediaferry.fold_counts()')
  await beat(db)
  await open.query('commit')
  await assertTrue(db, 'after two folds')
})

const rowsKept = async (db: TestDatabase): Promise<number> =>
  (await db.rows<{ count: number }>('select count(*)::int from mediaferry.status_counts'))[0]?.count ?? 0

test('a beat after a long silence folds a part, so that it never outlasts a statement', async t => {
  const db = await freshDatabase(t)
  await pending(db, 3)
  await db.rows(
    `insert into mediaferry.status_counts (upload_status, delta)
     select 'PENDING', case n % 2 when 0 then 1 else -1 end from generate_series(1, 15000) n`,
  )
  await beat(db)
  const left = await rowsKept(db)
  assert.ok(left > 1000 && left < 10_000, `${left} rows left`)
  await assertTrue(db, 'after a part was folded')
  await beat(db)
  assert.ok((await rowsKept(db)) <= 2)
  await assertTrue(db, 'after the rest')
})

test('where nobody beats, what comes in folds', async t => {
  const db = await freshDatabase(t)
  await db.rows(
    `insert into mediaferry.status_counts (upload_status, delta)
     select 'PENDING', case n % 2 when 0 then 1 else -1 end from generate_series(1, 2000) n`,
  )
  await pending(db, 1)
  assert.ok((await rowsKept(db)) <= 2)
  await assertTrue(db, 'after an ingest that folds')
})

test('a backlog is counted to the last row, and looked at by a thousand', async t => {
  const db = await freshDatabase(t)
  const add = (rows: number, when: string) =>
    db.rows(
      `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix,
         next_attempt_at)
       select $2 || n, 'm', '1', now(), now() + interval '7 days', 'unassigned', now() + $2::interval
       from generate_series(1, $1::int) n`,
      [rows, when],
    )
  const due = async () => (await db.call<{ due: number }>('pipeline_summary')).due
  await add(999, '-1 minute')
  assert.equal(await due(), 999)
  await add(10_000, '-2 minutes')
  await add(900, '1 hour')
  assert.equal(await due(), 10_999)
  await add(200, '2 hours')
  assert.equal(await due(), 10_000, 'ten thousand or more')
})

test('the summary reads no settled row', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', id))])
  await db.rows(
    `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix,
       upload_status, upload_attempts, claim_token, object_key, content_type, size_bytes, sha256, uploaded_at, id)
     overriding system value
     select 'settled-' || n, 'm', '1', now(), now() + interval '7 days', 'unassigned', 'UPLOADED', 1, 1,
       'unassigned/' || n || '-1.jpg', 'image/jpeg', 1, repeat('a', 64), now(), n
     from generate_series(1000000, 1009999) n`,
  )
  await db.rows('analyze attachments')
  const client = await db.connect('service_role')
  await client.query('begin')
  const { rows } = await client.query('select pipeline_summary() as summary')
  assert.equal(rows[0]?.summary.counts.UPLOADED, 10_001)
  const { rows: read } = await client.query(
    `select seq_tup_read::int + coalesce(idx_tup_fetch, 0)::int as read
     from pg_stat_xact_user_tables where relid = 'public.attachments'::regclass`,
  )
  await client.query('rollback')
  assert.ok((read[0]?.read ?? 0) <= 15, `read ${read[0]?.read} rows of attachments`)
})
