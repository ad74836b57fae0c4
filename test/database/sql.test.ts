import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DatabaseError as SqlError } from 'pg'
import type { Claim, Settlement } from '../../src/attachment.ts'
import { openDatabase } from '../../src/database/database.ts'
import { DatabaseError } from '../../src/database/database-error.ts'
import { freshDatabase } from '../support/database.ts'
import { startDataApi } from './data-api.ts'

/**
 * The calls against the real SQL functions: names, arguments and shapes agree. Between them stands only what
 * PostgREST does, arguments by name from JSON, as service_role.
 */
const sql = await freshDatabase({ after })
const api = await startDataApi()
const database = openDatabase({ url: api.url, key: 'sb_secret_test' })

after(async () => {
  await database.close()
  await api[Symbol.asyncDispose]()
})

api.answer(async (name, args) => {
  try {
    return { json: await sql.call(name, args) }
  } catch (error) {
    const { code, detail = null } = error instanceof SqlError ? error : {}
    return { status: 400, json: { code, message: String(error), details: detail } }
  }
})

const WORKER = 'worker-a'

/** Takes in one message for each suffix; their attachments' ids, in that order. */
async function ingest(...suffixes: readonly string[]): Promise<number[]> {
  const messages = suffixes.map(suffix => ({
    message_id: `wamid.${suffix}`,
    phone_number_id: '100',
    sent_at: new Date().toISOString(),
    contact: { user_id: null, phone: '15550001234', profile_name: 'Ada' },
    media: {
      whatsapp_media_id: `media-${suffix}`,
      kind: 'image',
      caption: null,
      file_name: null,
      voice: null,
      animated: null,
      declared_mime_type: 'image/jpeg',
      declared_sha256: 'a'.repeat(64),
      error_code: null,
      error_message: null,
    },
    raw_base64: '',
  }))
  const answer = await sql.call<{ messages: { attachment_id: number }[] }>('ingest_whatsapp_messages', {
    messages,
    rejected: [],
  })
  return answer.messages.map(({ attachment_id }) => attachment_id)
}

async function claimOne(suffix: string): Promise<Claim> {
  const [id] = await ingest(suffix)
  const { claims } = await database.claim(WORKER, [id ?? 0], 1, 60_000)
  const [claim] = claims
  assert.ok(claim !== undefined && claim.id === id)
  return claim
}

const settleOne = async (claim: Claim, settlement: Settlement) =>
  (await database.settle(WORKER, [{ id: claim.id, claimToken: claim.claimToken, settlement }]))[0]

const statusOf = async ({ id }: Claim) => {
  const [row] = await sql.rows(
    'select upload_status, upload_attempts, error_code, error_message from public.attachments where id = $1',
    [id],
  )
  return row
}

const uploaded = (claim: Claim): Settlement => ({
  outcome: 'uploaded',
  objectKey: `${claim.objectPrefix}/${claim.id}-${claim.claimToken}.jpg`,
  contentType: 'image/jpeg',
  sizeBytes: 3,
  sha256: 'a'.repeat(64),
  verified: true,
  notes: [{ event: 'type_differs', detail: { declared: 'image/\u0000png', found: null } }],
})

test('a claim is renewed, settled once, and then lost to everybody', async () => {
  const claim = await claimOne('life')
  assert.equal(claim.claimToken, 1)
  assert.equal(claim.messageId, 'wamid.life')
  assert.equal(claim.mediaId, 'media-life')
  assert.ok(Date.parse(claim.dueAt) <= Date.now() + 1000)
  assert.deepEqual(await database.renew(WORKER, [claim, { id: claim.id, claimToken: 9 }], 60_000), [
    { id: claim.id, claimToken: 1 },
  ])
  assert.equal(await settleOne(claim, uploaded(claim)), 'applied')
  assert.equal(await settleOne(claim, uploaded(claim)), 'already')
  assert.deepEqual(await database.renew(WORKER, [claim], 60_000), [])
  const failed: Settlement = { outcome: 'failed', code: 'c', message: 'm' }
  assert.equal(await settleOne({ ...claim, claimToken: 9 }, failed), 'lost')
  assert.equal(await settleOne({ ...claim, id: 123_456_789 }, failed), 'lost')
})

test('retry, failed and interrupted arrive as they are meant', async () => {
  const text = { code: 'some_code', message: 'A \u0000 text \ud800 with Bearer abc' }
  const seen = []
  for (const settlement of [
    { outcome: 'retry', ...text, retryInMs: 1.5 },
    { outcome: 'failed', ...text },
    { outcome: 'interrupted', ...text, retryInMs: 60_000 },
  ] satisfies Settlement[]) {
    const claim = await claimOne(settlement.outcome)
    assert.equal(await settleOne(claim, settlement), 'applied')
    seen.push(await statusOf(claim))
  }
  const reason = { error_code: 'some_code', error_message: 'A   text \ufffd with Bearer [secret]' }
  assert.deepEqual(seen, [
    { upload_status: 'PENDING', upload_attempts: 1, ...reason },
    { upload_status: 'FAILED', upload_attempts: 1, ...reason },
    { upload_status: 'PENDING', upload_attempts: 0, ...reason },
  ])
  const failed = await sql.rows<{ id: string }>(
    `select id from public.attachments where upload_status = 'FAILED'`,
  )
  assert.deepEqual(
    await database.retry(null, 'some_code', 10),
    failed.map(({ id }) => Number(id)),
  )
})

test('what a column refuses is marked as data, so that the batch is split', async () => {
  const claim = await claimOne('refused')
  const isData = (error: unknown) => error instanceof DatabaseError && error.data
  const wrongKey = { ...uploaded(claim), objectKey: 'other/1.jpg' }
  await assert.rejects(settleOne(claim, wrongKey), isData, 'a check violation, class 23')
  const item = { id: claim.id, claimToken: 1, settlement: uploaded(claim) }
  await assert.rejects(database.settle(WORKER, [item, item]), isData, 'the same id twice, class 22')
  await database.settle(WORKER, [item])
})

test('release lets go of an earlier life; the cursor finds rows; the lease length arrives', async () => {
  const claim = await claimOne('release')
  const [row] = await sql.rows(
    'select round(extract(epoch from leased_until - now()) / 10)::integer as tens from public.attachments where id = $1',
    [claim.id],
  )
  assert.equal(row?.tens, 6)
  assert.deepEqual(await database.release(WORKER), { released: [claim.id], workerLost: [] })

  let page = await database.after('0', 0, 2)
  // The horizon is the cluster's: rows show when the transactions of other test files have ended, too.
  while (page.rows.length < 2) {
    await delay(20)
    page = await database.after('0', 0, 2)
  }
  const [, last] = page.rows
  assert.ok(last !== undefined && BigInt(page.next) >= BigInt(page.horizon))
  const next = await database.after(last.created_xid, last.id, 500)
  assert.equal(next.anchor, last.created_xid)
  assert.ok(next.rows.every(({ id }) => id > last.id))
})

test('the canary, events, the summary and the pause', async () => {
  assert.deepEqual(await database.beat(WORKER, 'running', { storage: 'closed' }, '1.2.3'), {
    beat: 1,
    paused: false,
  })
  await database.record(WORKER, [
    { attachmentId: null, event: 'circuit_opened', detail: { message: 'NUL \u0000', probeInMs: 3 } },
  ])
  const [event] = await sql.rows(
    `select worker, detail from public.system_events where event = 'circuit_opened'`,
  )
  assert.deepEqual(event, { worker: WORKER, detail: { message: 'NUL  ', probeInMs: 3 } })

  assert.equal((await database.summary()).paused, null)
  await database.setPaused(true, 'ada', null)
  const { paused, daemons, counts } = await database.summary()
  assert.equal(paused?.changed_by, 'ada')
  assert.deepEqual(daemons[0]?.circuits, { storage: 'closed' })
  assert.equal(typeof counts.PENDING, 'number')
  assert.deepEqual(await database.claim(WORKER, [], 5, 60_000), { paused: true, claims: [], workerLost: [] })
  assert.deepEqual(await database.beat(WORKER, 'paused', {}, '1.2.3'), { beat: 2, paused: true })
  await database.setPaused(false, 'ada', 'back')
})
