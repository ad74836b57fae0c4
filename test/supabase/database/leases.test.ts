import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase } from '../../support/database.ts'
import {
  attachment,
  claim,
  claimOne,
  eventsOf,
  expireLease,
  pending,
  release,
  renew,
  settle,
  sqlState,
  uploaded,
} from './functions.ts'

test('renewing moves the lease of every claim that is still held, in one call', async t => {
  const db = await freshDatabase(t)
  const [mine = 0, settled = 0, stolen = 0, foreign = 0] = await pending(db, 4)
  const claims = [
    await claimOne(db, 'w', mine),
    await claimOne(db, 'w', settled),
    await claimOne(db, 'w', stolen),
  ]
  const other = await claimOne(db, 'v', foreign)
  await expireLease(db, stolen)
  await claimOne(db, 'v', stolen)
  await settle(
    db,
    'w',
    claims.filter(row => row.id === settled).map(row => uploaded(row)),
  )
  await db.rows("update attachments set leased_until = now() + interval '1 second' where id = $1", [mine])
  const untouched = [await attachment(db, stolen), await attachment(db, foreign)]
  assert.deepEqual(await renew(db, 'w', [...claims, other, ...claims]), [{ id: mine, claim_token: 1 }])
  const [lease] = await db.rows(
    "select leased_until > now() + interval '50 seconds' as renewed from attachments where id = $1",
    [mine],
  )
  assert.deepEqual(lease, { renewed: true })
  assert.deepEqual([await attachment(db, stolen), await attachment(db, foreign)], untouched)
})

test('a token other than the row’s renews nothing', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  const row = await claimOne(db, 'w', id)
  assert.deepEqual(await renew(db, 'w', [{ id, claim_token: row.claim_token - 1 }]), [])
  assert.deepEqual(await renew(db, 'w', []), [])
})

test('a lease that ran out and was not taken over is renewed', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  const row = await claimOne(db, 'w', id)
  await expireLease(db, id)
  assert.deepEqual(await renew(db, 'w', [row]), [{ id, claim_token: 1 }])
  assert.deepEqual((await claim(db, 'v')).claims, [])
})

test('renewing refuses more than 500 and what is no list', async t => {
  const db = await freshDatabase(t)
  await assert.rejects(renew(db, 'w', Array(501).fill({ id: 1, claim_token: 1 })), sqlState('22023'))
  await assert.rejects(
    db.call('renew_leases', { worker: 'w', claims: {}, lease: '60 seconds' }),
    sqlState('22023'),
  )
})

test('releasing counts what the worker held as lost, once, and frees it at once', async t => {
  const db = await freshDatabase(t)
  const [one = 0, two = 0, foreign = 0] = await pending(db, 3)
  for (const id of [one, two]) await claimOne(db, 'w', id)
  await claimOne(db, 'v', foreign)
  assert.deepEqual(await release(db, 'w'), { released: [one, two], worker_lost: [] })
  assert.deepEqual(
    await release(db, 'w'),
    { released: [], worker_lost: [] },
    'a second restart counts nothing',
  )
  assert.equal((await attachment(db, foreign)).leased_by, 'v')
  const last = (await eventsOf(db, one)).at(-1)
  assert.deepEqual(
    [last?.event, last?.worker, last?.detail],
    ['lease_lost', 'w', { claim_token: 1, lost_leases: 1, released: true }],
  )
  const { claims } = await claim(db, 'v')
  assert.deepEqual(
    claims.map(row => [row.id, row.claim_token, row.lost_leases]),
    [
      [one, 2, 1],
      [two, 2, 1],
    ],
  )
})

test('a released claim is no longer held', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  const row = await claimOne(db, 'w', id)
  await release(db, 'w')
  assert.deepEqual(await renew(db, 'w', [row]), [])
})

test('five restarts with the same file: named by the release, FAILED by the next claim, unless it was finished', async t => {
  const db = await freshDatabase(t)
  const [deadly = 0, finished = 0] = await pending(db, 2)
  await db.rows('update attachments set lost_leases = 4')
  await claimOne(db, 'w', deadly)
  const row = await claimOne(db, 'w', finished)
  assert.deepEqual(await release(db, 'w'), { released: [deadly, finished], worker_lost: [deadly, finished] })
  assert.equal((await settle(db, 'w', [uploaded(row)]))[0]?.answer, 'applied')
  const answer = await claim(db, 'w')
  assert.deepEqual([answer.claims, answer.worker_lost], [[], [deadly]])
  assert.equal((await attachment(db, deadly)).error_code, 'worker_lost')
  assert.equal((await attachment(db, finished)).upload_status, 'UPLOADED')
})
