import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { claim, claimOne, eventsOf, loseLease, pending, release, settle, unsuccessful } from './functions.ts'

const ids = (answer: { claims: readonly { id: number }[] }) => answer.claims.map(row => row.id)

/** Held by a worker that died so many seconds ago; `lost` with this one. */
async function die(db: TestDatabase, id: number, lost: number, secondsAgo: number): Promise<void> {
  await db.rows(
    `update attachments set upload_status = 'UPLOADING', leased_by = 'dead', claim_token = claim_token + 1,
       lost_leases = $2::int - 1, leased_until = now() - make_interval(secs => $3)
     where id = $1`,
    [id, lost, secondsAgo],
  )
}

for (const [lost, pause] of [
  [1, 0],
  [2, 30],
  [3, 120],
  [4, 480],
] as const) {
  test(`after lost lease number ${lost} a row is claimed again ${pause} s later`, async t => {
    const db = await freshDatabase(t)
    const [id = 0] = await pending(db, 1)
    if (pause > 0) {
      await die(db, id, lost, pause - 5)
      assert.deepEqual(ids(await claim(db, 'w', { ids: [id] })), [], 'not even when it is asked for')
    }
    await die(db, id, lost, pause)
    const { claims } = await claim(db, 'w', { ids: [id] })
    assert.deepEqual(
      claims.map(row => [row.id, row.lost_leases]),
      [[id, lost]],
    )
  })
}

test('the pause after a release begins with the release', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  await db.rows('update attachments set lost_leases = 1')
  await claimOne(db, 'w', id)
  await db.rows("update attachments set updated_at = now() - interval '1 hour'")
  assert.deepEqual((await release(db, 'w')).released, [id])
  assert.deepEqual(ids(await claim(db, 'w')), [])
  await db.rows("update attachments set updated_at = now() - interval '30 seconds'")
  const { claims } = await claim(db, 'w')
  assert.deepEqual(
    claims.map(row => [row.id, row.lost_leases]),
    [[id, 2]],
  )
})

test('given back uncounted or tried again, it is due when it says so', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  for (const [outcome, retry_in_ms] of [
    ['interrupted', 0],
    ['retry', 0],
  ] as const) {
    await die(db, id, 4, 500)
    const held = await claimOne(db, 'w', id)
    await settle(db, 'w', [unsuccessful(held, outcome, { retry_in_ms })])
    assert.equal((await claimOne(db, 'w', id)).lost_leases, 4)
  }
  await db.rows(
    `update attachments set upload_status = 'PENDING', leased_by = null, leased_until = null,
       next_attempt_at = now() + interval '1 minute'`,
  )
  assert.deepEqual(ids(await claim(db, 'w', { ids: [id] })), [])
})

test('a suspect comes alone and before everything else; the fewest losses first, then whose pause is longest over', async t => {
  const db = await freshDatabase(t)
  const [a = 0, b = 0, c = 0, d = 0, e = 0, soon = 0, once = 0, plain = 0] = await pending(db, 8)
  await die(db, a, 4, 1000)
  await die(db, b, 2, 40)
  await die(db, c, 2, 50)
  await die(db, d, 3, 200)
  await db.rows('update attachments set lost_leases = 3 where id = $1', [e])
  await db.rows("update attachments set expires_at = now() + interval '1 hour' where id = $1", [soon])
  await die(db, once, 1, 1)
  const given: number[][] = []
  for (let calls = 0; calls < 7; calls++)
    given.push(ids(await claim(db, `w${calls}`, { ids: [a, plain], max: 8 })))
  assert.deepEqual(given, [[c], [b], [d], [a], [e], [plain, soon, once], []])
  assert.deepEqual((await eventsOf(db, a)).at(-1)?.detail, {
    claim_token: 1,
    lost_leases: 4,
    taken_by: 'w3',
  })
})

test('many suspects: a daemon that dies right after a claim costs one of them a lease', async t => {
  const db = await freshDatabase(t)
  const all = await pending(db, 20)
  for (const id of all) await die(db, id, 2, 60)
  const { claims } = await claim(db, 'w', { max: 16 })
  assert.equal(claims.length, 1)
  await loseLease(db, ...ids({ claims }))
  assert.deepEqual(
    await db.rows(
      `select lost_leases + (leased_by = 'w')::int as lost, count(*)::int as rows from attachments
       where leased_by = 'w' group by 1`,
    ),
    [{ lost: 3, rows: 1 }],
  )
})

test('a suspect that another call has in hand is passed over, and ordinary rows are given out', async t => {
  const db = await freshDatabase(t)
  const [suspect = 0, given = 0, plain = 0] = await pending(db, 3)
  await die(db, suspect, 2, 60)
  await db.rows('update attachments set lost_leases = 2 where id = $1', [given])
  const client = await db.connect()
  await client.query('begin')
  await client.query('select from attachments where id = any($1) for update', [[suspect, given]])
  assert.deepEqual(ids(await claim(db, 'w')), [plain])
  await client.query('rollback')
  assert.deepEqual(ids(await claim(db, 'w')), [suspect])
  assert.deepEqual(ids(await claim(db, 'w')), [given])
})

test('8 concurrent callers take each suspect once', async t => {
  const db = await freshDatabase(t)
  const all = await pending(db, 40)
  for (const id of all) await die(db, id, 2, 60)
  const seen: number[] = []
  const drain = async (worker: string) => {
    for (;;) {
      const { claims } = await claim(db, worker, { max: 8 })
      if (claims.length === 0) return
      assert.equal(claims.length, 1)
      seen.push(...ids({ claims }))
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, n) => drain(`w${n}`)))
  await drain('last')
  assert.deepEqual(
    seen.sort((one, other) => one - other),
    all,
  )
})

test('a suspect that waits for its pause is not counted as due', async t => {
  const db = await freshDatabase(t)
  const [resting = 0, over = 0, once = 0] = await pending(db, 4)
  await die(db, resting, 2, 20)
  await die(db, over, 2, 40)
  await die(db, once, 1, 0)
  assert.equal((await db.call<{ due: number }>('pipeline_summary')).due, 3)
})
