import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import {
  attachment,
  claim,
  claimOne,
  ingest,
  message,
  pending,
  settle,
  sqlState,
  unsuccessful,
  uploaded,
} from './functions.ts'

const PERSON = { user_id: 'DE.5551234567', phone: '4915155512345', profile_name: 'Forget Me' }

interface Stopped {
  readonly found: boolean
  readonly attachments: number
  readonly wait_until: string | null
}

interface Erased {
  readonly erased: number
  readonly left: boolean
  readonly done: boolean
}

const stop = (db: TestDatabase, lead_id: number) =>
  db.call<Stopped>('forget_lead', { lead_id, phase: 'stop' })
const erase = (db: TestDatabase, lead_id: number, max = 500) =>
  db.call<Erased>('forget_lead', { lead_id, phase: 'erase', max })

async function setUp(t: { after(end: () => Promise<void>): void }) {
  const db = await freshDatabase(t)
  const messages = [
    ...Array.from({ length: 3 }, () => message({ contact: PERSON })),
    message({ contact: PERSON, media: null }),
    message(),
  ]
  const answers = await ingest(db, messages)
  const [done = 0, live = 0, waiting = 0, , foreign = 0] = answers.map(answer => answer.attachment_id ?? 0)
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', done))])
  const claimed = await claimOne(db, 'w', live)
  const lead = (await attachment(db, done)).lead_id ?? 0
  return { db, messages, lead, done, live, waiting, foreign, claimed }
}

test('stop: nothing of the lead can be claimed or settled any more, and others are not touched', async t => {
  const { db, lead, done, live, waiting, foreign, claimed } = await setUp(t)
  const { found, attachments, wait_until } = await stop(db, lead)
  assert.deepEqual([found, attachments], [true, 3])
  assert.ok(Date.parse(wait_until ?? '') > Date.now() + 30_000, 'the live claim’s lease')
  assert.equal((await settle(db, 'w', [uploaded(claimed)]))[0]?.answer, 'lost')
  assert.deepEqual(
    (await claim(db, 'w', { ids: [live, waiting, done] })).claims.map(row => row.id),
    [foreign],
  )
  const row = await attachment(db, live)
  assert.deepEqual([row.upload_status, row.error_code, row.claim_token], ['FAILED', 'forgotten', 2])
  assert.equal((await attachment(db, done)).upload_status, 'UPLOADED')
})

test('erase waits for the live transfers, then removes everything, in pages', async t => {
  const { db, messages, lead, foreign } = await setUp(t)
  await ingest(
    db,
    [],
    [
      { reason: 'x', payload_base64: Buffer.from(`{"from":"${PERSON.phone}"}`).toString('base64') },
      { reason: 'x', payload_base64: Buffer.from(`{"user_id":"${PERSON.user_id}"}`).toString('base64') },
      { reason: 'x', payload_base64: Buffer.from('{"from":"somebody else"}').toString('base64') },
    ],
  )
  await assert.rejects(erase(db, lead), sqlState('55000'), 'not before stop')
  await stop(db, lead)
  await assert.rejects(erase(db, lead), sqlState('55000'), 'not before the lease is over')
  await db.rows("update leads set forget_after = now() - interval '1 second' where id = $1", [lead])
  assert.deepEqual(await erase(db, lead, 2), { erased: 2, left: true, done: false })
  assert.deepEqual(await erase(db, lead, 2), { erased: 1, left: false, done: true })
  assert.deepEqual(await erase(db, lead), { erased: 0, left: false, done: true })

  const wamids = messages.slice(0, 4).map(one => String(one.message_id))
  const traces = await everything(db)
  for (const trace of [PERSON.user_id, PERSON.phone, PERSON.profile_name, ...wamids]) {
    assert.ok(!traces.includes(trace), `${trace} is still there`)
  }
  assert.match(traces, /somebody else/)
  assert.equal((await attachment(db, foreign)).upload_status, 'PENDING')
  assert.deepEqual(
    (await ingest(db, messages)).map(answer => answer.outcome),
    messages.map(() => 'duplicate'),
    'a late redelivery is ignored',
  )
})

test('stop can be repeated, also for somebody who is not there', async t => {
  const { db, lead, live } = await setUp(t)
  const first = await stop(db, lead)
  const second = await stop(db, lead)
  assert.deepEqual(second, { ...first })
  assert.equal((await attachment(db, live)).claim_token, 2)
  assert.deepEqual(await stop(db, 999_999), { found: false, attachments: 0, wait_until: null })
  await assert.rejects(db.call('forget_lead', { lead_id: lead, phase: 'now' }), sqlState('22023'))
})

test('a new message of the same person makes a new lead, which the request does not concern', async t => {
  const { db, lead } = await setUp(t)
  await stop(db, lead)
  const [answer] = await ingest(db, [message({ contact: PERSON })])
  const row = await attachment(db, answer?.attachment_id ?? 0)
  assert.notEqual(row.lead_id, lead)
  await db.rows('update leads set forget_after = now() where id = $1', [lead])
  assert.equal((await erase(db, lead)).done, true)
  assert.equal((await attachment(db, row.id)).upload_status, 'PENDING')
})

/** Every row of every table of ours as one text, bytes as text. */
async function everything(db: TestDatabase): Promise<string> {
  const tables = await db.rows<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relkind = 'r' and relnamespace::regnamespace::text in ('public', 'mediaferry')`,
  )
  const texts = await Promise.all(
    tables.map(async ({ name }) => JSON.stringify(await db.rows(`select * from ${name}`))),
  )
  const payloads = await db.rows<{ payload: Buffer }>('select payload from rejected_payloads')
  return [...texts, ...payloads.map(row => row.payload.toString('utf8'))].join('\n')
}

test('a retry of all passes over a lead that is being forgotten, tells no tale of it, and reaches what is behind', async t => {
  const db = await freshDatabase(t)
  const [gone = 0, other = 0] = await pending(db, 2)
  for (const id of [gone, other])
    await settle(db, 'w', [unsuccessful(await claimOne(db, 'w', id), 'failed', { error_code: 'integrity' })])
  const [row] = await db.rows<{ lead_id: number }>('select lead_id::int from attachments where id = $1', [
    gone,
  ])
  await db.call('forget_lead', { lead_id: row?.lead_id, phase: 'stop' })
  assert.deepEqual(await db.call('retry_attachments', { max: 1 }), { retried: [other] })
  const told = await db.rows<{ event: string }>('select event from system_events where attachment_id = $1', [
    gone,
  ])
  assert.ok(!told.some(({ event }) => event === 'retried'))
})
