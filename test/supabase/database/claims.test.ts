import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase } from '../../support/database.ts'
import {
  attachment,
  claim,
  claimOne,
  eventsOf,
  expireLease,
  ingest,
  loseLease,
  message,
  pending,
  sqlState,
} from './functions.ts'

const ids = (answer: { claims: readonly { id: number }[] }) => answer.claims.map(row => row.id)

test('a claim makes the row UPLOADING with a lease and a token one higher', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  const before = await attachment(db, id)
  const { paused, claims } = await claim(db, 'w1', { lease: '90 seconds' })
  assert.equal(paused, false)
  assert.deepEqual(claims, [
    {
      id,
      claim_token: 1,
      lead_id: before.lead_id,
      message_id: before.message_id,
      whatsapp_media_id: before.whatsapp_media_id,
      phone_number_id: before.phone_number_id,
      kind: 'image',
      file_name: null,
      declared_mime_type: 'image/jpeg',
      declared_sha256: null,
      expires_at: claims[0] && 'expires_at' in claims[0] ? claims[0].expires_at : null,
      upload_attempts: 0,
      max_attempts: 5,
      lost_leases: 0,
      bucket: 'attachments',
      object_prefix: before.object_prefix,
      created_at: claims[0] && 'created_at' in claims[0] ? claims[0].created_at : null,
      due_at: claims[0]?.due_at,
    },
  ])
  assert.equal(Date.parse(claims[0]?.due_at ?? ''), before.next_attempt_at.getTime())
  const after = await attachment(db, id)
  assert.equal(after.upload_status, 'UPLOADING')
  assert.equal(after.leased_by, 'w1')
  const [lease] = await db.rows(
    'select extract(epoch from leased_until - updated_at)::int as seconds from attachments where id = $1',
    [id],
  )
  assert.deepEqual(lease, { seconds: 90 })
  assert.deepEqual((await claim(db, 'w2')).claims, [], 'a living lease is left alone')
})

test('half for the woken, newest first, the rest by due time', async t => {
  const db = await freshDatabase(t)
  const all = await pending(db, 10)
  const [oldest = 0] = all
  await db.rows(
    'update attachments set next_attempt_at = now() - make_interval(secs => 100 - id) where id = any($1)',
    [all],
  )
  assert.deepEqual(ids(await claim(db, 'w', { ids: all, max: 5 })), [
    oldest + 9,
    oldest + 8,
    oldest + 7,
    oldest,
    oldest + 1,
  ])
})

test('unused shares pass over, both ways', async t => {
  const db = await freshDatabase(t)
  const all = await pending(db, 8)
  const [first = 0] = all
  assert.deepEqual(ids(await claim(db, 'w', { ids: [first + 7, 999_999], max: 4 })), [
    first + 7,
    first,
    first + 1,
    first + 2,
  ])
  // Nothing is due but the woken: they take all of it. (Due rows and woken rows are the same rows then.)
  const rest = [first + 3, first + 4, first + 5, first + 6]
  assert.deepEqual(ids(await claim(db, 'w', { ids: rest, max: 4 })).sort(), rest)
})

test('woken rows that are not due, settled or unknown are not given out', async t => {
  const db = await freshDatabase(t)
  const [early = 0, failed = 0, held = 0] = await pending(db, 3)
  await db.rows("update attachments set next_attempt_at = now() + interval '1 minute' where id = $1", [early])
  await db.rows("update attachments set upload_status = 'FAILED', error_code = 'x' where id = $1", [failed])
  await claimOne(db, 'other', held)
  assert.deepEqual(ids(await claim(db, 'w', { ids: [early, failed, held, 10 ** 12] })), [])
  await db.rows("update attachments set next_attempt_at = now() - interval '1 second' where id = $1", [early])
  assert.deepEqual(ids(await claim(db, 'w')), [early])
})

test('those that expire within 24 hours go first, then claims of dead workers, then by due time', async t => {
  const db = await freshDatabase(t)
  const [expired = 0, late = 0, early = 0, dead = 0, soon = 0, soonest = 0, deadSoon = 0] = await pending(
    db,
    7,
  )
  for (const id of [dead, deadSoon]) await claimOne(db, 'gone', id)
  await expireLease(db, dead, deadSoon)
  const set = (id: number, column: 'expires_at' | 'next_attempt_at', offset: string) =>
    db.rows(`update attachments set ${column} = now() + $2::interval where id = $1`, [id, offset])
  await set(expired, 'expires_at', '-1 hour')
  await set(expired, 'next_attempt_at', '-1 minute')
  await set(late, 'next_attempt_at', '-2 minutes')
  await set(early, 'next_attempt_at', '-1 hour')
  await set(soon, 'expires_at', '23 hours')
  await set(soonest, 'expires_at', '1 hour')
  await set(deadSoon, 'expires_at', '12 hours')
  assert.deepEqual(ids(await claim(db, 'w')), [deadSoon, soonest, soon, dead, early, late, expired])
})

test('nothing is given out while paused, and the answer says so', async t => {
  const db = await freshDatabase(t)
  await pending(db, 1)
  await db.call('set_pipeline_paused', { paused: true, changed_by: 'me', reason: 'why not' })
  assert.deepEqual(await claim(db, 'w'), { paused: true, claims: [], worker_lost: [] })
  await db.call('set_pipeline_paused', { paused: false })
  assert.equal((await claim(db, 'w')).claims.length, 1)
})

test('taking over a dead claim raises the token and counts the lost lease, with an event', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  await claimOne(db, 'dead', id)
  await expireLease(db, id)
  const { claims } = await claim(db, 'w')
  assert.deepEqual(
    claims.map(row => [row.claim_token, row.lost_leases, row.upload_attempts]),
    [[2, 1, 0]],
  )
  assert.deepEqual((await eventsOf(db, id)).at(-1), {
    attachment_id: id,
    worker: 'dead',
    event: 'lease_lost',
    detail: { claim_token: 1, lost_leases: 1, taken_by: 'w' },
  })
})

test('an UPLOADING row whose lease is missing is recovered', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  await db.rows("update attachments set upload_status = 'UPLOADING' where id = $1", [id])
  assert.deepEqual(ids(await claim(db, 'w')), [id])
})

test('the fifth lost lease fails the row as worker_lost, and its neighbours are given out', async t => {
  const db = await freshDatabase(t)
  const [deadly = 0, neighbour = 0] = await pending(db, 2)
  for (let life = 1; life <= 5; life++) {
    const got = await claimOne(db, `life ${life}`, deadly)
    assert.deepEqual([got.claim_token, got.lost_leases], [life, life - 1])
    await loseLease(db, deadly)
  }
  const answer = await claim(db, 'w', { ids: [deadly], max: 2 })
  assert.deepEqual(answer.worker_lost, [deadly])
  assert.deepEqual(ids(answer), [neighbour])
  const row = await attachment(db, deadly)
  assert.deepEqual(
    [row.upload_status, row.error_code, row.lost_leases, row.upload_attempts],
    ['FAILED', 'worker_lost', 5, 0],
  )
  const last = (await eventsOf(db, deadly)).at(-1)
  assert.deepEqual([last?.event, last?.worker, last?.detail.lost_leases], ['failed', 'life 5', 5])
})

test('max is clamped to 500, and 0 or less asks for nothing', async t => {
  const db = await freshDatabase(t)
  await ingest(
    db,
    Array.from({ length: 501 }, () => message()),
  )
  assert.deepEqual((await claim(db, 'w', { max: 0 })).claims, [])
  assert.deepEqual((await claim(db, 'w', { max: -1 })).claims, [])
  assert.equal((await claim(db, 'w', { max: 100_000 })).claims.length, 500)
  assert.equal((await claim(db, 'w', { max: 100_000 })).claims.length, 1)
})

test('a claim without a worker or with a senseless lease is refused', async t => {
  const db = await freshDatabase(t)
  await assert.rejects(claim(db, ''), sqlState('22023'))
  for (const lease of ['0 seconds', '-1 second', '2 days']) {
    await assert.rejects(claim(db, 'w', { lease }), sqlState('22023'), lease)
  }
})

test('a row that somebody has locked is passed over, not waited for; an event about it is no lock', async t => {
  const db = await freshDatabase(t)
  const [locked = 0, told = 0] = await pending(db, 2)
  const client = await db.connect()
  await client.query('begin')
  await client.query('select from attachments where id = $1 for update', [locked])
  await client.query("insert into system_events (attachment_id, event) values ($1, 'x')", [told])
  assert.deepEqual(ids(await claim(db, 'w', { ids: [locked, told] })), [told])
  await client.query('rollback')
  assert.deepEqual(ids(await claim(db, 'w')), [locked])
})

test('8 concurrent callers never get the same row, and together they get all', async t => {
  const db = await freshDatabase(t)
  const total = 600
  const woken = await pending(db, total)
  const seen: string[] = []
  const drain = async (worker: string) => {
    for (;;) {
      const { claims } = await claim(db, worker, { ids: woken, max: 7 })
      if (claims.length === 0) return
      for (const { id, claim_token } of claims) seen.push(`${id}/${claim_token}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, n) => drain(`w${n}`)))
  // Whoever comes while others hold locks may be told "nothing" too early; the next sweep finds those rows.
  await drain('last')
  assert.equal(seen.length, total)
  assert.equal(new Set(seen).size, total)
})

test('8 concurrent callers take over dead claims once each', async t => {
  const db = await freshDatabase(t)
  const total = 200
  const all = await pending(db, total)
  await claim(db, 'dead', { max: total })
  await expireLease(db, ...all)
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, n) => claim(db, `w${n}`, { ids: all, max: 50 })),
  )
  const taken = answers.flatMap(ids)
  assert.equal(new Set(taken).size, taken.length)
  const [row] = await db.rows(
    'select max(claim_token)::int as token, max(lost_leases) as lost, count(*) filter (where claim_token = 2)::int as taken from attachments',
  )
  assert.deepEqual(row, { token: 2, lost: 1, taken: taken.length })
})
