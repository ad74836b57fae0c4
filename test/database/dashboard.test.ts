import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { listQuery } from '../../src/api-shapes.ts'
import { openDashboard } from '../../src/database/dashboard.ts'
import { DatabaseError } from '../../src/database/database-error.ts'
import { freshDatabase } from '../support/database.ts'
import { startDataApi } from './data-api.ts'

/** Against the real SQL functions; between them stands only what PostgREST does. */
const sql = await freshDatabase({ after })
const api = await startDataApi()
const dashboard = openDashboard({ url: api.url, key: 'sb_secret_test' })

after(async () => {
  await dashboard.close()
  await api[Symbol.asyncDispose]()
})

api.answer(async (name, args) => ({ json: await sql.call(name, args) }))

const [first, second] = (
  await sql.call<{ messages: { attachment_id: number }[] }>('ingest_whatsapp_messages', {
    messages: ['a', 'b'].map(name => ({
      message_id: `wamid.${name}`,
      phone_number_id: '1',
      sent_at: new Date().toISOString(),
      contact: { user_id: null, phone: '15550001234', profile_name: 'Ada' },
      media: { whatsapp_media_id: name, kind: 'document', file_name: `${name}.pdf` },
      raw_base64: 'eA==',
    })),
    rejected: [{ reason: 'no JSON', payload_base64: 'eA==' }],
  })
).messages.map(({ attachment_id }) => attachment_id)
assert.ok(first !== undefined && second !== undefined)

const query = (given: Readonly<Record<string, string>>) => listQuery.parse(given)

test('every filter of the API reaches the function under its own name', async () => {
  const all = { status: 'PENDING', kind: 'document', lead: '1', q: 'ada', error: 'x', text: 'y', before: '9' }
  await dashboard.list(query(all))
  assert.deepEqual(api.calls.at(-1)?.args, {
    status: 'PENDING',
    kind: 'document',
    lead_id: 1,
    sender: 'ada',
    code: 'x',
    containing: 'y',
    before: 9,
    max: 50,
  })
  const { rows, next_before } = await dashboard.list(query({ text: 'b.pdf', limit: '1' }))
  assert.deepEqual([rows[0]?.id, rows[0]?.lead?.profile_name, next_before], [second, 'Ada', null])
})

test('summary, activity, failures, rejects and a story have the shapes that the API promises', async () => {
  assert.equal((await dashboard.summary()).counts.PENDING, 2)
  assert.equal((await dashboard.activity()).minutes.length, 60)
  assert.deepEqual(await dashboard.failures(), [])
  assert.equal((await dashboard.rejected(undefined)).rows[0]?.reason, 'no JSON')
  assert.equal((await dashboard.rejected(1)).rows.length, 0)
  const story = await dashboard.story(first)
  assert.equal(story?.attachment.message_id, 'wamid.a')
  assert.ok((story?.events.length ?? 0) > 0)
  assert.equal(await dashboard.story(999_999), null)
})

test('pause, resume and retry name who asked for it', async () => {
  const paused = await dashboard.setPaused(true, 'dashboard', 'moving')
  assert.deepEqual([paused?.changed_by, paused?.reason], ['dashboard', 'moving'])
  assert.equal(await dashboard.setPaused(false, 'dashboard', null), null)
  assert.deepEqual(await dashboard.retry('dashboard', { ids: [first] }), [])
  assert.deepEqual(await dashboard.retry('dashboard', { code: 'integrity' }), [])
  const events = await sql.rows(
    "select event, detail ->> 'changed_by' as who from system_events where attachment_id is null order by id desc limit 2",
  )
  assert.deepEqual(events, [
    { event: 'resumed', who: 'dashboard' },
    { event: 'paused', who: 'dashboard' },
  ])
})

test('an answer of another version is a DatabaseError that says so', async t => {
  api.answer({ json: { rows: 'none' } })
  t.after(() => api.answer(async (name, args) => ({ json: await sql.call(name, args) })))
  await assert.rejects(
    dashboard.list(query({})),
    (error: unknown) => error instanceof DatabaseError && error.failure.code === 'schema',
  )
})
