import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase } from '../../support/database.ts'
import { ingest, message } from './functions.ts'

test('the same delivery ten times at once: one row each', async t => {
  const db = await freshDatabase(t)
  const delivery = Array.from({ length: 20 }, () => message())
  const answers = await Promise.all(Array.from({ length: 10 }, () => ingest(db, delivery)))
  const outcomes = answers.flat().map(answer => answer.outcome)
  assert.equal(outcomes.filter(outcome => outcome === 'new').length, 20)
  assert.equal(outcomes.filter(outcome => outcome === 'duplicate').length, 180)
  assert.deepEqual(await db.rows('select count(*)::int from attachments'), [{ count: 20 }])
})

test('overlapping deliveries in opposite order neither deadlock nor lose anything', async t => {
  const db = await freshDatabase(t)
  const people = Array.from({ length: 12 }, (_, n) => ({ user_id: `US.${n}`, phone: `4915${1000 + n}` }))
  const rounds = 6
  for (let round = 0; round < rounds; round++) {
    // Everybody is seen by the phone alone, by the user id alone, and with phones handed on in a circle:
    // whatever two deliveries can want to lock, they want it in opposite order.
    const messages = people.flatMap((person, n) => [
      message({ contact: { phone: person.phone, user_id: null } }),
      message({ contact: { phone: null, user_id: person.user_id } }),
      message({ contact: { user_id: person.user_id, phone: people[(n + round) % people.length]?.phone } }),
      message({ contact: null }),
    ])
    const answers = await Promise.all([
      ingest(db, messages),
      ingest(db, messages.toReversed()),
      ingest(db, [...messages.slice(20), ...messages.slice(0, 20)].reverse()),
      ingest(db, messages.slice(10, 30)),
    ])
    const outcomes = answers.flat().map(answer => answer.outcome)
    assert.equal(outcomes.filter(outcome => outcome === 'new').length, messages.length)
    assert.ok(!outcomes.includes('rejected'))
  }
  const [count] = await db.rows(
    `select count(*)::int as all, count(*) filter (where lead_id is null)::int as nobody from attachments`,
  )
  assert.deepEqual(count, { all: rounds * 12 * 4, nobody: rounds * 12 })
  const [twice] = await db.rows(
    'select count(*)::int from (select phone from leads where phone is not null group by 1 having count(*) > 1) p',
  )
  assert.deepEqual(twice, { count: 0 })
})
