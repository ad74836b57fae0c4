import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase, type TestDatabase } from '../../support/database.ts'
import { claim, message, pending } from './functions.ts'

const raise = (db: TestDatabase, alert: string, quiet = '1 hour') =>
  db.call<{ raised: boolean }>('raise_alert', { alert, detail: { files: 3 }, quiet, worker: 'w' })

test('an alert is raised once in its quiet time, and again after it', async t => {
  const db = await freshDatabase(t)
  assert.deepEqual(await raise(db, 'files_expiring'), { raised: true })
  assert.deepEqual(await raise(db, 'files_expiring'), { raised: false })
  assert.deepEqual(await raise(db, 'token_rejected'), { raised: true })
  await db.rows("update system_events set created_at = now() - interval '61 minutes' where event = 'alert'")
  assert.deepEqual(await raise(db, 'files_expiring'), { raised: true })
  const events = await db.rows('select worker, detail from system_events order by id')
  assert.deepEqual(events[0], { worker: 'w', detail: { alert: 'files_expiring', files: 3 } })
  assert.equal(events.length, 3)
})

test('ten daemons that notice the same at once raise one alert', async t => {
  const db = await freshDatabase(t)
  const answers = await Promise.all(Array.from({ length: 10 }, () => raise(db, 'circuit_open')))
  assert.equal(answers.filter(({ raised }) => raised).length, 1)
})

test('files that Meta deletes within a day are counted, whether they wait or are under way', async t => {
  const db = await freshDatabase(t)
  assert.deepEqual(await db.call('expiring_attachments'), { count: 0, soonest: null })
  await pending(db, 1)
  const sent = (hoursAgo: number) => new Date(Date.now() - hoursAgo * 3_600_000).toISOString()
  const messages = [sent(145), sent(150), sent(169)].map(sent_at => message({ sent_at }))
  await db.call('ingest_whatsapp_messages', { messages, rejected: [] })
  const soonest = new Date(Date.parse(sent(150)) + 7 * 86_400_000)
  const answer = await db.call<{ count: number; soonest: string }>('expiring_attachments')
  assert.equal(answer.count, 2)
  assert.ok(Math.abs(Date.parse(answer.soonest) - soonest.getTime()) < 60_000, answer.soonest)
  await claim(db, 'w', { max: 1 })
  assert.equal((await db.call<{ count: number }>('expiring_attachments')).count, 2)
})
