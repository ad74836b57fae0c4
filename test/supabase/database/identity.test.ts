import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { attachment, eventsOf, ingest, message } from './functions.ts'

interface Lead {
  readonly id: number
  readonly user_id: string | null
  readonly phone: string | null
  readonly profile_name: string | null
}

const U1 = 'DE.11111111'
const U2 = 'US.22222222'
const P1 = '4915000001'
const P2 = '4915000002'

async function setUp(t: { after(end: () => Promise<void>): void }) {
  const db = await freshDatabase(t)
  await db.rows('delete from leads')
  const write = async (
    user_id: string | null,
    phone: string | null,
    at = '12:00',
    name: string | null = null,
  ) => {
    const sent_at = `2026-11-22T${at}:00Z`
    const [answer] = await ingest(db, [message({ sent_at, contact: { user_id, phone, profile_name: name } })])
    assert.equal(answer?.outcome, 'new')
    return attachment(db, answer?.attachment_id ?? 0)
  }
  return { db, write }
}

const leads = (db: TestDatabase) =>
  db.rows<Lead>('select id::int, user_id, phone, profile_name from leads order by id')

test('with neither phone nor user id the file is carried all the same', async t => {
  const { db, write } = await setUp(t)
  const row = await write(null, '')
  assert.equal(row.lead_id, null)
  assert.equal(row.object_prefix, 'unassigned')
  assert.deepEqual(await leads(db), [])
})

test('a known phone gains its user id, a known user id its phone: one lead', async t => {
  const { db, write } = await setUp(t)
  const byPhone = await write(null, P1)
  const both = await write(U1, P1)
  assert.equal(byPhone.lead_id, both.lead_id)
  const byUser = await write(U2, null)
  assert.equal((await write(U2, P2)).lead_id, byUser.lead_id)
  assert.deepEqual(
    (await leads(db)).map(({ user_id, phone }) => [user_id, phone]),
    [
      [U1, P1],
      [U2, P2],
    ],
  )
})

test('a phone-only and a user-id-only lead that turn out to be one are merged, prefixes kept', async t => {
  const { db, write } = await setUp(t)
  const byUser = await write(U1, null)
  const byPhone = await write(null, P1)
  const both = await write(U1, P1)
  const all = await leads(db)
  assert.deepEqual(all, [{ id: byUser.lead_id, user_id: U1, phone: P1, profile_name: null }])
  assert.equal(both.lead_id, byUser.lead_id)
  const moved = await attachment(db, byPhone.id)
  assert.equal(moved.lead_id, byUser.lead_id)
  assert.equal(moved.object_prefix, String(byPhone.lead_id))
  assert.deepEqual(await eventsOf(db, null), [
    {
      attachment_id: null,
      worker: null,
      event: 'leads_merged',
      detail: { lead_id: byUser.lead_id, merged_lead_id: byPhone.lead_id, attachments: 1 },
    },
  ])
  const [processed] = await db.rows('select count(distinct lead_id)::int from processed_messages')
  assert.deepEqual(processed, { count: 1 })
})

test('a merge leaves a claim of the moved attachment alone', async t => {
  const { db, write } = await setUp(t)
  await write(U1, null)
  const byPhone = await write(null, P1)
  await db.call('claim_attachments', { worker: 'w', ids: [byPhone.id], max: 1, lease: '60 seconds' })
  await write(U1, P1)
  const moved = await attachment(db, byPhone.id)
  assert.deepEqual([moved.upload_status, moved.leased_by, moved.claim_token], ['UPLOADING', 'w', 1])
})

test('two user ids are never merged: the phone moves to the newer, with an event', async t => {
  const { db, write } = await setUp(t)
  const former = await write(U1, P1, '10:00')
  const newer = await write(U2, P1, '12:00')
  assert.notEqual(former.lead_id, newer.lead_id)
  assert.deepEqual(
    (await leads(db)).map(({ id, user_id, phone }) => ({ id, user_id, phone })),
    [
      { id: former.lead_id, user_id: U1, phone: null },
      { id: newer.lead_id, user_id: U2, phone: P1 },
    ],
  )
  assert.deepEqual((await eventsOf(db, null)).at(-1)?.detail, {
    lead_id: newer.lead_id,
    former_lead_id: former.lead_id,
  })
  assert.equal((await write(null, P1, '13:00')).lead_id, newer.lead_id)
  assert.equal((await attachment(db, former.id)).lead_id, former.lead_id)
})

test('a message that comes days late does not take the phone back', async t => {
  const { db, write } = await setUp(t)
  const former = await write(U1, P1, '10:00')
  const newer = await write(U2, P1, '14:00')
  const late = await write(U1, P1, '11:00')
  assert.equal(late.lead_id, former.lead_id)
  const [, holder] = await leads(db)
  assert.deepEqual(holder, { id: newer.lead_id, user_id: U2, phone: P1, profile_name: null })
})

test('a person with a new phone keeps the lead, and the old number is free', async t => {
  const { db, write } = await setUp(t)
  const before = await write(U1, P1, '10:00')
  assert.equal((await write(U1, P2, '12:00')).lead_id, before.lead_id)
  assert.equal((await write(U1, P1, '11:00')).lead_id, before.lead_id, 'a late message changes nothing')
  assert.deepEqual(
    (await leads(db)).map(lead => lead.phone),
    [P2],
  )
  assert.notEqual((await write(null, P1, '13:00')).lead_id, before.lead_id)
})

test('the name follows the profile and an absent one erases nothing', async t => {
  const { db, write } = await setUp(t)
  await write(U1, P1, '10:00', 'Ada')
  await write(U1, P1, '11:00', null)
  assert.equal((await leads(db))[0]?.profile_name, 'Ada')
  await write(U1, P1, '12:00', 'Countess')
  assert.equal((await leads(db))[0]?.profile_name, 'Countess')
})

test('leads of one batch are found by its later messages', async t => {
  const { db } = await setUp(t)
  const answers = await ingest(db, [
    message({ contact: { user_id: null, phone: P1 } }),
    message({ contact: { user_id: U1, phone: null } }),
    message({ contact: { user_id: U1, phone: P1 } }),
  ])
  assert.equal((await leads(db)).length, 1)
  for (const answer of answers) {
    assert.equal((await attachment(db, answer.attachment_id ?? 0)).lead_id, (await leads(db))[0]?.id)
  }
})
