import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '@supabase/supabase-js'
import { projectKeys } from '../../../src/local/keys.ts'
import { type Lite, startLite } from '../../../src/local/lite.ts'
import { openChildRegistry } from '../../../src/local/processes.ts'
import { freshDatabase } from '../../support/database.ts'
import { type Claimed, type Ingested, media, message, uploaded } from './functions.ts'

/** The functions as the daemon and the webhook call them: supabase-js, JSON over HTTP, the Data API. */
const folder = mkdtempSync(join(tmpdir(), 'mediaferry-data-api-'))
const keys = projectKeys(join(folder, 'keys.json'))
let lite: Lite
let dropDatabase = async () => {}

before(async () => {
  const registry = await openChildRegistry(folder)
  const db = await freshDatabase({
    after: end => {
      dropDatabase = end
    },
  })
  lite = await startLite({ folder, registry, databaseUrl: db.url, keys, fileSizeLimit: 1024 })
})

after(async () => {
  await lite?.stop()
  await dropDatabase()
  rmSync(folder, { recursive: true, force: true })
})

function client(key: string) {
  const options = { auth: { persistSession: false, autoRefreshToken: false } }
  return createClient(lite.url, key, options)
}

async function rpc<Answer>(name: string, args: Readonly<Record<string, unknown>>): Promise<Answer> {
  const { data, error } = await client(keys.secret).rpc(name, args)
  assert.equal(error, null, `${name}: ${error?.message}`)
  return data
}

interface Page {
  readonly horizon: string
  readonly rows: readonly { readonly id: number; readonly created_xid: string }[]
}

/** The horizon is the cluster's: rows show when the transactions of other test files have ended, too. */
async function pageOf(
  rows: number,
  xid: string | null | undefined,
  id: number | null | undefined,
): Promise<Page> {
  for (;;) {
    const page = await rpc<Page>('attachments_after', { xid, id, max: 10 })
    if (page.rows.length === rows) return page
    await delay(20)
  }
}

test('every argument type gets through: jsonb, bigint[], integer, interval, xid8, null, left out', async () => {
  const messages = [message({ media: media({ caption: 'Grüße 😀 "\\' }) }), message()]
  const ingested = await rpc<{ messages: Ingested[] }>('ingest_whatsapp_messages', { messages, rejected: [] })
  const ids = ingested.messages.map(answer => answer.attachment_id)
  assert.deepEqual(
    ingested.messages.map(answer => answer.outcome),
    ['new', 'new'],
  )

  const all = await pageOf(2, '0', 0)
  assert.deepEqual(
    all.rows.map(row => row.id),
    ids,
  )
  const [first] = all.rows
  const rest = await pageOf(1, first?.created_xid, first?.id)
  assert.deepEqual(
    rest.rows.map(row => row.id),
    ids.slice(1),
  )
  assert.equal((await pageOf(2, null, null)).rows.length, 2)

  const lease = '60000 milliseconds'
  const { claims } = await rpc<Claimed>('claim_attachments', { worker: 'w', ids, max: 4, lease })
  assert.deepEqual(claims.map(row => row.id).sort(), ids)
  const none = await rpc<Claimed>('claim_attachments', { worker: 'w', ids: [], max: 4, lease })
  assert.deepEqual(none, { paused: false, claims: [], worker_lost: [] })

  const renewed = await rpc<{ held: unknown[] }>('renew_leases', { worker: 'w', claims, lease })
  assert.equal(renewed.held.length, 2)
  const settled = await rpc<{ answers: { answer: string }[] }>('settle_attachments', {
    worker: 'w',
    results: claims.map(row => uploaded(row)),
  })
  assert.deepEqual(
    settled.answers.map(answer => answer.answer),
    ['applied', 'applied'],
  )

  assert.deepEqual(await rpc('release_claims', { worker: 'w' }), { released: [], worker_lost: [] })
  assert.deepEqual(await rpc('retry_attachments', { ids: null, code: null, max: 10 }), { retried: [] })
  assert.deepEqual(await rpc('beat_canary', { worker: 'w', state: 'running', circuits: {}, version: '1' }), {
    beat: 1,
    paused: false,
  })
  assert.deepEqual(await rpc('record_events', { events: [{ worker: 'w', event: 'x', detail: {} }] }), {
    recorded: 1,
  })
  const summary = await rpc<{ counts: { UPLOADED: number } }>('pipeline_summary', {})
  assert.equal(summary.counts.UPLOADED, 2)
})

test('1,000 messages in one call are answered one by one: no cut at the Data API’s row limit', async () => {
  const messages = Array.from({ length: 1000 }, () => message())
  const { messages: answers } = await rpc<{ messages: Ingested[] }>('ingest_whatsapp_messages', {
    messages,
    rejected: [],
  })
  assert.equal(answers.length, 1000)
  const claimed = await rpc<Claimed>('claim_attachments', {
    worker: 'w',
    ids: [],
    max: 500,
    lease: '60 seconds',
  })
  assert.equal(claimed.claims.length, 500)
})

test('a refused batch carries its SQLSTATE', async () => {
  const { error } = await client(keys.secret).rpc('settle_attachments', { worker: 'w', results: [{ id: 1 }] })
  assert.equal(error?.code, '22023')
})

test('the publishable key opens nothing', async () => {
  const anonymous = client(keys.publishable)
  const called = await anonymous.rpc('pipeline_summary')
  assert.equal(called.error?.code, '42501')
  // @supabase/lite 0.10.0 grants every table of the schema to every role when it starts, where the real Data API
  // grants nothing: what still shuts the door here is row level security.
  const read = await anonymous.from('attachments').select('id')
  assert.deepEqual(read.data ?? [], [])
  const written = await anonymous.from('leads').insert({ phone: '4915199999' })
  assert.equal(written.error?.code, '42501')
})
