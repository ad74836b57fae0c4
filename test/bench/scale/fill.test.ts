import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { fillPending, fillSettled } from './fill.ts'

const indexesOf = (db: TestDatabase) =>
  db.rows("select indexdef from pg_indexes where schemaname = 'public' order by indexname")

test('a filled table is one that the functions could have left: every check holds, every index is back', async t => {
  const db = await freshDatabase(t)
  const before = await indexesOf(db)
  const client = await db.connect()
  await fillSettled(client, 1000)
  assert.deepEqual(await indexesOf(db), before)
  const checks = await db.rows<{ conname: string }>(
    "select conname from pg_constraint where conrelid = 'public.attachments'::regclass and contype = 'c'",
  )
  assert.ok(checks.length > 20)
  for (const { conname } of checks) {
    await db.rows(`alter table public.attachments validate constraint ${client.escapeIdentifier(conname)}`)
  }
  const [unlike] = await db.rows(
    `select count(*)::int from public.attachments a
     where not exists (select from public.leads l where l.id = a.lead_id)
       or not exists (select from public.processed_messages p where p.message_id = a.message_id)`,
  )
  assert.equal(unlike?.count, 0)
  const { counts, due, expiring_24h } = await db.call<{
    counts: Record<string, number>
    due: number
    expiring_24h: number
  }>('pipeline_summary')
  assert.deepEqual(counts, { PENDING: 8, UPLOADING: 2, UPLOADED: 980, FAILED: 10 })
  assert.deepEqual([due, expiring_24h], [5, 2])
  await db.call('claim_attachments', { worker: 'w', ids: [], max: 1, lease: '1 minute' })
  const after = await db.call<{ counts: Record<string, number> }>('pipeline_summary')
  assert.equal(after.counts.UPLOADING, 3, 'the triggers count again')
})

test('a filled backlog is due, and counted', async t => {
  const db = await freshDatabase(t)
  await fillPending(await db.connect(), 1500, 'a'.repeat(64))
  const { counts, due } = await db.call<{ counts: Record<string, number>; due: number }>('pipeline_summary')
  assert.deepEqual([counts.PENDING, due], [1500, 1500])
})
