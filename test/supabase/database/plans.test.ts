import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { callFunction, freshDatabase } from '../../support/database.ts'
import { message, uploaded } from './functions.ts'

/**
 * What a call costs is counted by PostgreSQL itself: rows that the statement read from the table, in order or
 * through an index. That is the plan as it really ran, inside the function.
 */
interface Work {
  readonly read: number
  readonly fetched: number
}

async function work(client: pg.Client, name: string, args: Readonly<Record<string, unknown>>): Promise<Work> {
  await client.query('begin')
  try {
    const before = await counted(client)
    await callFunction(client, name, args)
    const after = await counted(client)
    return { read: after.read - before.read, fetched: after.fetched - before.fetched }
  } finally {
    await client.query('rollback')
  }
}

/** Of this transaction, and of earlier ones of the connection that are not reported yet. */
async function counted(client: pg.Client): Promise<Work> {
  const { rows } = await client.query(
    `select seq_tup_read::int as read, coalesce(idx_tup_fetch, 0)::int as fetched
     from pg_stat_xact_user_tables where relid = 'public.attachments'::regclass`,
  )
  return { read: rows[0]?.read ?? 0, fetched: rows[0]?.fetched ?? 0 }
}

/** The planner itself looks at a row or two at the ends of an index. */
const isSmall = ({ read, fetched }: Work) => read === 0 && fetched <= 15

const SETTLED = 50_000
const BACKLOG = 20_000

test('claims, leases and settles cost the same beside 50,000 settled and 20,000 waiting rows', async t => {
  const db = await freshDatabase(t)
  await db.rows(
    `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix,
       upload_status, upload_attempts, claim_token, object_key, content_type, size_bytes, sha256, uploaded_at, id)
     overriding system value
     select 'settled-' || n, 'm', '1', now(), now() + interval '7 days', 'unassigned', 'UPLOADED', 1, 1,
       'unassigned/' || n || '-1.jpg', 'image/jpeg', 1, repeat('a', 64), now(), n
     from generate_series(1000000, 1000000 + $1::int - 1) n`,
    [SETTLED],
  )
  await db.rows(
    `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix,
       next_attempt_at)
     select 'due-' || n, 'm', '1', now(), now() + interval '6 days', 'unassigned', now() - n * interval '1 ms'
     from generate_series(1, $1::int) n`,
    [BACKLOG / 2],
  )
  // The hardest for "expiring first": soon gone, and not due yet.
  await db.rows(
    `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix,
       next_attempt_at)
     select 'later-' || n, 'm', '1', now(), now() + interval '5 hours', 'unassigned', now() + interval '1 hour'
     from generate_series(1, $1::int) n`,
    [BACKLOG / 2],
  )
  const client = await db.connect('service_role')

  for (const statistics of ['without statistics', 'with statistics']) {
    if (statistics === 'with statistics') await db.rows('analyze attachments')
    await t.test(`claim_attachments, ${statistics}`, async () => {
      const ids = Array.from({ length: 100 }, (_, n) => n + 1)
      const { read, fetched } = await work(client, 'claim_attachments', {
        worker: 'w',
        ids,
        max: 8,
        lease: '60 seconds',
      })
      assert.equal(read, 0, 'no scan of the table')
      assert.ok(fetched < 400, `${fetched} rows fetched for 8 claims`)
    })

    await t.test(`release_claims and renew_leases, ${statistics}`, async () => {
      const released = await work(client, 'release_claims', { worker: 'w' })
      assert.ok(isSmall(released))
      const claims = [{ id: 1, claim_token: 1 }]
      const renewed = await work(client, 'renew_leases', { worker: 'w', claims, lease: '60 seconds' })
      assert.ok(isSmall(renewed))
    })

    await t.test(`settle_attachments, ${statistics}`, async () => {
      const results = [uploaded({ id: 1, claim_token: 1, object_prefix: 'unassigned' })]
      assert.ok(isSmall(await work(client, 'settle_attachments', { worker: 'w', results })))
    })

    await t.test(`retry_attachments, ${statistics}`, async () => {
      assert.ok(isSmall(await work(client, 'retry_attachments', { code: 'x' })))
      assert.ok(isSmall(await work(client, 'retry_attachments', {})))
    })

    await t.test(`ingest_whatsapp_messages, ${statistics}`, async () => {
      const messages = Array.from({ length: 200 }, () => message())
      const { read, fetched } = await work(client, 'ingest_whatsapp_messages', { messages, rejected: [] })
      assert.equal(read, 0)
      assert.ok(fetched <= 4 * messages.length, `${fetched} rows fetched for ${messages.length} messages`)
    })

    await t.test(`attachments_after, ${statistics}`, async () => {
      assert.ok(isSmall(await work(client, 'attachments_after', { max: 10 })))
    })
  }
})

const SUSPECTS = 5000

test('a claim reads no suspect but the one that it gives out, however many there are', async t => {
  const db = await freshDatabase(t)
  const client = await db.connect('service_role')
  const claim = { worker: 'w', ids: [], max: 8, lease: '60 seconds' }
  // So that the connection has its plans from an empty table.
  await callFunction(client, 'claim_attachments', claim)
  const insert = (name: string, columns: string, values: string, count = SUSPECTS) =>
    db.rows(
      `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix,
         ${columns})
       select $1::text || n, 'm', '1', now(), now() + interval '6 days', 'unassigned', ${values}
       from generate_series(1, $2::int) n`,
      [name, count],
    )
  const dead = 'upload_status, leased_by, lost_leases, leased_until'
  await insert('resting-', dead, `'UPLOADING', 'gone', 3, now() - interval '5 minutes'`)
  await insert('living-', dead, `'UPLOADING', 'alive', 1, now() + interval '1 minute'`)
  await insert('waiting-', 'lost_leases, next_attempt_at', `2, now() + interval '1 hour'`)
  await insert('ordinary-', 'next_attempt_at', 'now()', 20)

  for (const statistics of ['without statistics', 'with statistics']) {
    await t.test(`none is due, ${statistics}`, async () => {
      if (statistics === 'with statistics') await db.rows('analyze attachments')
      const { read, fetched } = await work(client, 'claim_attachments', claim)
      assert.equal(read, 0)
      assert.ok(fetched < 60, `${fetched} rows fetched for 8 claims`)
    })
  }
  await insert('due-', dead, `'UPLOADING', 'gone', 1, now() - interval '5 minutes'`)
  await insert('due-again-', 'lost_leases, next_attempt_at', '2, now()')
  for (const statistics of ['without statistics', 'with statistics']) {
    await t.test(`many are due, ${statistics}`, async () => {
      if (statistics === 'with statistics') await db.rows('analyze attachments')
      const { read, fetched } = await work(client, 'claim_attachments', claim)
      assert.equal(read, 0)
      assert.ok(fetched < 20, `${fetched} rows fetched for one claim`)
    })
  }
})

const DUE = 5000

test('without statistics, on a connection that knew the table empty, a backlog is not read to claim a few of it', async t => {
  const db = await freshDatabase(t)
  const client = await db.connect('service_role')
  const claim = { worker: 'w', ids: [], max: 8, lease: '60 seconds' }
  const results = [uploaded({ id: 1, claim_token: 1, object_prefix: 'unassigned' })]
  await callFunction(client, 'claim_attachments', claim)
  await callFunction(client, 'settle_attachments', { worker: 'w', results })
  await db.rows(
    `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix)
     select 'due-' || n, 'm', '1', now(), now() + interval '6 days', 'unassigned' from generate_series(1, $1::int) n`,
    [DUE],
  )
  const claimed = await work(client, 'claim_attachments', claim)
  assert.equal(claimed.read, 0)
  assert.ok(claimed.fetched < 60, `${claimed.fetched} rows fetched for 8 claims`)
  assert.ok(isSmall(await work(client, 'settle_attachments', { worker: 'w', results })))
  const claims = [{ id: 1, claim_token: 1 }]
  assert.ok(isSmall(await work(client, 'renew_leases', { worker: 'w', claims, lease: '60 seconds' })))
})
