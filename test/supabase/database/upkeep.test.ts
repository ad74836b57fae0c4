import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import {
  attachment,
  claim,
  claimOne,
  eventsOf,
  ingest,
  message,
  pending,
  settle,
  sqlState,
  unsuccessful,
  uploaded,
} from './functions.ts'

const PERSON = { user_id: 'DE.5551234567', phone: '4915155512345', profile_name: 'Forget Me' }

interface Refetched {
  readonly refetched: readonly number[]
  readonly lost: readonly number[]
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

async function stored(db: TestDatabase, id: number): Promise<{ id: number; object_key: string }> {
  const result = uploaded(await claimOne(db, 'w', id))
  await settle(db, 'w', [result])
  return { id, object_key: result.object_key }
}

const refetch = (db: TestDatabase, objects: readonly unknown[]) =>
  db.call<Refetched>('refetch_attachments', { objects })

test('refetch: what Meta still has becomes due with all its attempts, the token kept and the story told', async t => {
  const db = await freshDatabase(t)
  const [good = 0, late = 0, other = 0] = await pending(db, 3)
  const objects = [await stored(db, good), await stored(db, late), await stored(db, other)]
  await db.rows('update attachments set expires_at = now() where id = $1', [late])
  await db.call('beat_canary', { worker: 'w', state: 'running', circuits: {}, version: '1' })
  const asked = [
    { ...objects[0], problem: 'missing' },
    { ...objects[1], problem: 'missing' },
    { id: other, object_key: 'unassigned/1-9.jpg', problem: 'missing' },
    { id: 999_999, object_key: 'x', problem: 'missing' },
  ]
  assert.deepEqual(await refetch(db, asked), { refetched: [good], lost: [late] })
  const row = await attachment(db, good)
  assert.deepEqual(
    [row.upload_status, row.upload_attempts, row.claim_token, row.object_key, row.sha256],
    ['PENDING', 0, 1, null, null],
  )
  assert.equal((await attachment(db, late)).upload_status, 'UPLOADED')
  assert.equal((await attachment(db, other)).upload_status, 'UPLOADED')
  assert.deepEqual(await refetch(db, asked), { refetched: [], lost: [late] }, 'a second time changes nothing')
  const { event, detail } = (await eventsOf(db, good)).at(-1) ?? {}
  assert.deepEqual(
    [event, detail?.problem, detail?.object_key],
    ['refetch', 'missing', objects[0]?.object_key],
  )
  const told = (await eventsOf(db, late)).map(each => each.event)
  assert.deepEqual(told, ['received', 'uploaded', 'object_lost'], 'told once')
  assert.equal((await claimOne(db, 'w', good)).claim_token, 2)
})

test('no retry and no refetch brings back a file whose lead is being forgotten', async t => {
  const db = await freshDatabase(t)
  const ids = (await ingest(db, [message({ contact: PERSON }), message({ contact: PERSON })])).map(
    each => each.attachment_id ?? 0,
  )
  const [done = 0, waiting = 0] = ids
  const object = await stored(db, done)
  const lead_id = (await attachment(db, done)).lead_id
  await db.call('forget_lead', { lead_id, phase: 'stop' })
  assert.deepEqual(await db.call('retry_attachments', { ids: [waiting] }), { retried: [] })
  assert.deepEqual(await refetch(db, [object]), { refetched: [], lost: [] })
  assert.deepEqual((await claim(db, 'w', { ids })).claims, [])
  assert.equal((await attachment(db, waiting)).upload_status, 'FAILED')
})

test('a rejected payload that mentions a forgotten person is gone, and does not come back with a redelivery', async t => {
  const db = await freshDatabase(t)
  const [answer] = await ingest(db, [message({ contact: PERSON, media: null })])
  assert.equal(answer?.outcome, 'new')
  const [lead] = await db.rows<{ id: number }>('select id::int from leads where phone = $1', [PERSON.phone])
  // As Meta makes a wamid: a header of three bytes, the phone, more.
  const wamid = `wamid.${base64(`\x1c\x18\x0d${PERSON.phone}\x15\x02\0more`)}`
  const rejects = [
    { reason: 'x', message_id: null, payload_base64: base64(`{"from":"${PERSON.phone}"}`) },
    { reason: 'x', message_id: null, payload_base64: base64(`{"from_user_id":"${PERSON.user_id}"}`) },
    { reason: 'x', message_id: wamid, payload_base64: base64(`{"id":"${wamid}"}`) },
  ]
  const foreign = { reason: 'x', payload_base64: base64('{"from":"4915155599999"}') }
  await ingest(db, [], [...rejects, foreign])
  const footprint = await db.call<Record<string, unknown>>('lead_footprint', { lead_id: lead?.id })
  const { found, phone, attachments, open, messages, rejected, forgetting } = footprint
  assert.deepEqual(
    { found, phone, attachments, open, messages, rejected, forgetting },
    {
      found: true,
      phone: PERSON.phone,
      attachments: 0,
      open: 0,
      messages: 1,
      rejected: 3,
      forgetting: false,
    },
  )
  await db.call('forget_lead', { lead_id: lead?.id, phase: 'stop' })
  const kept = async () => (await db.rows('select times from rejected_payloads')).map(row => row.times)
  assert.deepEqual(await kept(), [1])
  await ingest(
    db,
    [],
    [...rejects, { reason: 'y', message_id: wamid, payload_base64: base64('in other bytes') }, foreign],
  )
  assert.deepEqual(await kept(), [2], 'only the other person’s')
  assert.deepEqual(await db.call('lead_footprint', { lead_id: 999_999 }), { found: false })
})

test('prune: old events go in pages, but not those of a file that is still open', async t => {
  const db = await freshDatabase(t)
  const [open = 0, done = 0, failed = 0] = await pending(db, 3)
  await stored(db, done)
  await settle(db, 'w', [unsuccessful(await claimOne(db, 'w', failed), 'failed')])
  await db.rows("insert into system_events (event) select 'circuit_opened' from generate_series(1, 3)")
  await db.rows("update system_events set created_at = now() - interval '91 days'")
  await db.rows("insert into system_events (event) values ('young')")
  const args = { what: 'events', older_than: '90 days' }
  assert.deepEqual(await db.call('count_prunable', args), { count: 7 })
  assert.deepEqual(await db.call('prune_records', { ...args, max: 5 }), { removed: 5 })
  assert.deepEqual(await db.call('prune_records', { ...args, max: 5 }), { removed: 2 })
  assert.deepEqual(await db.call('prune_records', args), { removed: 0 })
  assert.deepEqual(
    (await db.rows('select attachment_id::int, event from system_events order by id')).map(row => [
      row.attachment_id,
      row.event,
    ]),
    [
      [open, 'received'],
      [null, 'young'],
    ],
  )
  assert.equal((await attachment(db, done)).upload_status, 'UPLOADED')
})

test('prune: message ids and the hashes of forgotten ones, rejects by when they were last seen', async t => {
  const db = await freshDatabase(t)
  await pending(db, 3)
  await ingest(
    db,
    [],
    ['old', 'new'].map(text => ({ reason: text, payload_base64: base64(text) })),
  )
  await db.rows("select mediaferry.remember(array['\\x01', '\\x02']::bytea[])")
  await db.rows(
    "update processed_messages set processed_at = now() - interval '31 days' where message_id <> (select max(message_id) from processed_messages)",
  )
  await db.rows("update mediaferry.forgotten_messages set forgotten_at = now() - interval '31 days'")
  await db.rows("update rejected_payloads set last_seen_at = now() - interval '91 days' where reason = 'old'")
  const processed = { what: 'processed', older_than: '30 days' }
  assert.deepEqual(await db.call('count_prunable', processed), { count: 4 })
  assert.deepEqual(await db.call('prune_records', { ...processed, max: 3 }), { removed: 3 })
  assert.deepEqual(await db.call('prune_records', { ...processed, max: 3 }), { removed: 1 })
  const rejected = { what: 'rejected', older_than: '90 days' }
  assert.deepEqual(await db.call('count_prunable', rejected), { count: 1 })
  assert.deepEqual(await db.call('prune_records', rejected), { removed: 1 })
  assert.deepEqual(
    (await db.rows('select reason from rejected_payloads')).map(row => row.reason),
    ['new'],
  )
  assert.equal((await db.rows('select from processed_messages')).length, 1)
})

test('prune refuses to forget message ids that Meta may deliver again, and the last day of anything', async t => {
  const db = await freshDatabase(t)
  const refused = [
    { what: 'processed', older_than: '7 days' },
    { what: 'events', older_than: '1 hour' },
    { what: 'rejected', older_than: null },
    { what: 'attachments', older_than: '90 days' },
  ]
  for (const args of refused) {
    await assert.rejects(db.call('prune_records', args), sqlState('22023'), JSON.stringify(args))
    await assert.rejects(db.call('count_prunable', args), sqlState('22023'))
  }
})

test('rejects are listed page by page, each once', async t => {
  const db = await freshDatabase(t)
  const texts = ['one', 'two', 'three']
  for (const text of texts) await ingest(db, [], [{ reason: text, payload_base64: base64(text) }])
  const page = async (args: object) => {
    const { rows, next_before } = await db.call<{ rows: { id: number }[]; next_before: number | null }>(
      'list_rejected',
      { ...args },
    )
    return { ids: rows.map(row => row.id), next_before }
  }
  assert.deepEqual(await page({}), { ids: [3, 2, 1], next_before: null })
  assert.deepEqual(await page({ max: 2 }), { ids: [3, 2], next_before: 2 })
  assert.deepEqual(await page({ max: 2, before: 2 }), { ids: [1], next_before: null })
  const { payload } = await db.call<{ payload: unknown }>('rejected_payload', { id: 2 })
  assert.deepEqual(payload, { id: 2, reason: 'two', phone_number_id: null, base64: base64('two') })
  assert.deepEqual(await db.call('rejected_payload', { id: 99 }), { payload: null })
})
