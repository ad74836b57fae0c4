import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import {
  attachment,
  claim,
  claimOne,
  eventsOf,
  expireLease,
  ingest,
  media,
  message,
  pending,
  settle,
  sqlState,
  unsuccessful,
  uploaded,
} from './functions.ts'

interface Summary {
  readonly counts: Readonly<Record<string, number>>
  readonly due: number
  readonly oldest_due_at: string | null
  readonly expiring_24h: number
  readonly rejected: number
  readonly paused: { readonly changed_by: string; readonly reason: string } | null
  readonly daemons: readonly { readonly worker: string; readonly beat: number; readonly state: string }[]
}

const beat = (db: TestDatabase, worker: string) =>
  db.call<{ beat: number; paused: boolean }>('beat_canary', {
    worker,
    state: 'running',
    circuits: { storage: 'closed' },
    version: '0.1.0',
  })

const retry = async (db: TestDatabase, args: Readonly<Record<string, unknown>>) =>
  (await db.call<{ retried: number[] }>('retry_attachments', args)).retried

async function fail(db: TestDatabase, id: number, code: string): Promise<void> {
  await settle(db, 'w', [unsuccessful(await claimOne(db, 'w', id), 'failed', { error_code: code })])
}

test('the summary of nothing', async t => {
  const db = await freshDatabase(t)
  assert.deepEqual(await db.call('pipeline_summary'), {
    counts: { PENDING: 0, UPLOADING: 0, UPLOADED: 0, FAILED: 0 },
    due: 0,
    oldest_due_at: null,
    expiring_24h: 0,
    rejected: 0,
    paused: null,
    daemons: [],
  })
})

test('the summary counts by status, what is due, what expires, what was rejected, and lists the daemons', async t => {
  const db = await freshDatabase(t)
  const [waiting = 0, due = 0, dead = 0, alive = 0, done = 0, broken = 0] = await pending(db, 6)
  await db.rows("update attachments set next_attempt_at = now() + interval '1 hour' where id = $1", [waiting])
  await db.rows("update attachments set next_attempt_at = '2026-01-01T00:00:00Z' where id = $1", [due])
  await db.rows("update attachments set expires_at = now() + interval '3 hours' where id = any($1)", [
    [waiting, alive, done],
  ])
  await fail(db, broken, 'media_gone')
  for (const id of [dead, alive]) await claimOne(db, 'w', id)
  await expireLease(db, dead)
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', done))])
  await ingest(db, [], [{ reason: 'x', payload_base64: 'eA==' }])
  await beat(db, 'w')
  const summary = await db.call<Summary>('pipeline_summary')
  assert.deepEqual(summary.counts, { PENDING: 2, UPLOADING: 2, UPLOADED: 1, FAILED: 1 })
  assert.deepEqual([summary.due, summary.expiring_24h, summary.rejected], [2, 2, 1])
  assert.equal(Date.parse(summary.oldest_due_at ?? ''), Date.parse('2026-01-01T00:00:00Z'))
  assert.deepEqual(
    summary.daemons.map(({ worker, beat, state }) => [worker, beat, state]),
    [['w', 1, 'running']],
  )
})

test('pausing and resuming says who and why, is an event, and reaches every daemon', async t => {
  const db = await freshDatabase(t)
  await beat(db, 'w')
  const answer = await db.call<Record<string, unknown>>('set_pipeline_paused', {
    paused: true,
    changed_by: 'ada',
    reason: 'Storage moves',
  })
  assert.deepEqual(
    { ...answer, changed_at: null },
    { paused: true, changed_by: 'ada', reason: 'Storage moves', changed_at: null },
  )
  assert.equal((await db.call<Summary>('pipeline_summary')).paused?.reason, 'Storage moves')
  assert.deepEqual(await beat(db, 'w'), { beat: 2, paused: true })
  await db.call('set_pipeline_paused', { paused: false, changed_by: 'ada' })
  assert.deepEqual(await beat(db, 'w'), { beat: 3, paused: false })
  assert.deepEqual(
    (await eventsOf(db, null)).map(({ event, detail }) => [event, detail.changed_by]),
    [
      ['paused', 'ada'],
      ['resumed', 'ada'],
    ],
  )
})

test('a beat keeps its own row, and rows not seen for a day go', async t => {
  const db = await freshDatabase(t)
  for (const worker of ['old', 'new', 'w']) await beat(db, worker)
  await db.rows("update realtime_canary set last_seen = now() - interval '25 hours' where worker = 'old'")
  await db.rows("update realtime_canary set last_seen = now() - interval '23 hours' where worker = 'new'")
  assert.deepEqual(await beat(db, 'w'), { beat: 2, paused: false })
  const rows = await db.rows('select worker, circuits, version from realtime_canary order by 1')
  const [circuits, version] = [{ storage: 'closed' }, '0.1.0']
  assert.deepEqual(rows, [
    { worker: 'new', circuits, version },
    { worker: 'w', circuits, version },
  ])
})

test('a stale row that another daemon holds is passed over, not waited for', async t => {
  const db = await freshDatabase(t)
  for (const worker of ['old', 'w']) await beat(db, worker)
  await db.rows("update realtime_canary set last_seen = now() - interval '25 hours' where worker = 'old'")
  const client = await db.connect()
  await client.query("begin; update realtime_canary set beat = beat + 1 where worker = 'old'")
  assert.equal((await beat(db, 'w')).beat, 2)
  await client.query('rollback')
})

test('retry takes FAILED rows only: counts to zero, token kept, old counts in an event, daemons woken', async t => {
  const db = await freshDatabase(t)
  const [broken = 0, waiting = 0, done = 0] = await pending(db, 3)
  await fail(db, broken, 'media_gone')
  await db.rows('update attachments set lost_leases = 3 where id = $1', [broken])
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', done))])
  await beat(db, 'w')
  const version = () => db.rows('select xmin, beat, last_seen from realtime_canary')
  const [before] = await version()
  assert.deepEqual(await retry(db, { ids: [broken, waiting, done, 999] }), [broken])
  const row = await attachment(db, broken)
  assert.deepEqual(
    [row.upload_status, row.upload_attempts, row.lost_leases, row.claim_token, row.error_code],
    ['PENDING', 0, 0, 1, null],
  )
  assert.deepEqual((await eventsOf(db, broken)).at(-1)?.detail, {
    upload_attempts: 1,
    lost_leases: 3,
    error_code: 'media_gone',
  })
  const [after] = await version()
  assert.notEqual(after?.xmin, before?.xmin, 'the canary rows were written, which Realtime announces')
  assert.deepEqual([after?.beat, after?.last_seen], [before?.beat, before?.last_seen])
  assert.equal((await claimOne(db, 'w', broken)).claim_token, 2)
})

test('retry by code, by both, of all, page by page; what has no media id stays FAILED', async t => {
  const db = await freshDatabase(t)
  const [a = 0, b = 0, c = 0, d = 0] = await pending(db, 4)
  for (const id of [a, b]) await fail(db, id, 'integrity')
  for (const id of [c, d]) await fail(db, id, 'media_gone')
  const [nameless] = await ingest(db, [message({ media: media({ whatsapp_media_id: null }) })])
  assert.deepEqual(await retry(db, { ids: [b, c], code: 'integrity' }), [b])
  assert.deepEqual(await retry(db, { code: 'media_gone', max: 1 }), [c])
  assert.deepEqual(await retry(db, { max: 100 }), [a, d])
  assert.deepEqual(await retry(db, {}), [])
  assert.equal((await attachment(db, nameless?.attachment_id ?? 0)).upload_status, 'FAILED')
})

test('events are appended in order; those of attachments that are gone are left out', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  const events = [
    { worker: 'w', event: 'circuit_opened', detail: { dependency: 'storage' } },
    { attachment_id: id, event: 'note' },
    { attachment_id: 999, event: 'late' },
  ]
  assert.deepEqual(await db.call('record_events', { events }), { recorded: 2 })
  assert.deepEqual(await eventsOf(db, null), [{ attachment_id: null, ...events[0] }])
  assert.equal((await eventsOf(db, id)).at(-1)?.event, 'note')
  await assert.rejects(db.call('record_events', { events: [{ event: null }] }), sqlState('23502'))
})

test('nothing an operator does gives a settled or living row away', async t => {
  const db = await freshDatabase(t)
  const [done = 0, alive = 0] = await pending(db, 2)
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', done))])
  await claimOne(db, 'w', alive)
  await retry(db, {})
  assert.deepEqual((await claim(db, 'v', { ids: [done, alive] })).claims, [])
})
