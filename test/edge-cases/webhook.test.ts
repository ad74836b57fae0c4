import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { deliver } from '../supabase/functions/real-function.ts'
import {
  bytesOf,
  imageMessage,
  messagesValue,
  webhook,
} from '../supabase/functions/whatsapp-webhook/samples.ts'
import { startTestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { assertCarried, eventsOf, fetchesOf, rowOf } from '../support/rows.ts'

const project = await takeProject()
/** One for all: whatever arrives here is carried, or nobody ever asks for it. */
const carrier = await startTestDaemon(project)
after(() => carrier.stop())
afterEach(async () => {
  await project.database.query('truncate public.attachments, public.leads, public.processed_messages cascade')
})

const send = (payload: unknown, secret = project.appSecret) =>
  deliver(project.webhookUrl, secret, bytesOf(payload))
const sendMessages = (...messages: readonly unknown[]) => send(webhook(messagesValue(messages)))
const count = async (table: string): Promise<number> =>
  (await project.database.query(`select count(*)::int as n from public.${table}`)).rows[0]?.n

let settledSoFar = 0
/** Resolves when so many more were settled than the tests before have seen. */
async function settled(more: number): Promise<void> {
  settledSoFar += more
  await carrier.settled(settledSoFar)
}

/** A picture that WhatsApp keeps, and the message that names it, in Meta's words. */
async function picture(changes: Record<string, unknown> = {}, media: Record<string, unknown> = {}) {
  const message = await project.message('image')
  const { id, mimeType: mime_type, sha256 } = message.media
  const timestamp = String(message.timestamp)
  const meta = imageMessage({ id: message.id, timestamp, ...changes }, { id, mime_type, sha256, ...media })
  return { message, meta }
}

test('no media id: FAILED at once with its reason, and WhatsApp is never asked', async () => {
  const bad = await picture({}, { id: undefined })
  const good = await picture()
  assert.equal(await sendMessages(bad.meta, good.meta), 200)
  await settled(1)
  const row = await rowOf(project, bad.message.id)
  assert.deepEqual(
    [row.upload_status, row.error_code, row.upload_attempts, row.claim_token],
    ['FAILED', 'media_id_missing', 0, '0'],
  )
  assert.deepEqual(await eventsOf(project, row.id), ['failed'])
  await assertCarried(project, good.message)
})

test('duplicates: five deliveries at once and one after the upload are one row and one fetch', async () => {
  const { message, meta } = await picture()
  const answers = await Promise.all(Array.from({ length: 5 }, () => sendMessages(meta, meta)))
  assert.deepEqual(answers, [200, 200, 200, 200, 200])
  await settled(1)
  const before = await assertCarried(project, message)
  assert.equal(await sendMessages(meta), 200)
  assert.deepEqual(await rowOf(project, message.id), before)
  assert.deepEqual(await eventsOf(project, before.id), ['received', 'uploaded'])
  assert.deepEqual(await fetchesOf(project, message.media.id), { resolved: 1, downloaded: 1 })
})

test('a redelivery does not bring a FAILED row back, nor spend its attempts', async () => {
  const { message, meta } = await picture({}, { id: undefined })
  assert.equal(await sendMessages(meta), 200)
  const before = await rowOf(project, message.id)
  assert.equal(await sendMessages(meta), 200)
  assert.deepEqual(await rowOf(project, message.id), before)
})

for (const [name, caption, kept] of [
  ['none', undefined, null],
  ['emoji, accents and right-to-left', 'Grüße 👩‍👩‍👧 שלום', 'Grüße 👩‍👩‍👧 שלום'],
  ['markup and quotes', `</b>'";--$$`, `</b>'";--$$`],
  ['NUL in it', 'a\u0000b', 'ab'],
  ['10,000 characters', 'ä😀'.repeat(5000), 'ä😀'.repeat(5000)],
] as const) {
  test(`captions: ${name}`, async () => {
    const { message, meta } = await picture({}, { caption })
    assert.equal(await sendMessages(meta), 200)
    await settled(1)
    assert.equal((await assertCarried(project, message)).caption, kept)
  })
}

test('several images: an album over messages, changes and entries is one lead and every picture', async () => {
  const album = await Promise.all(Array.from({ length: 9 }, () => picture()))
  const value = (from: number) => messagesValue(album.slice(from, from + 3).map(({ meta }) => meta))
  const [first, second] = [webhook(value(0), value(3)), webhook(value(6))]
  assert.equal(await send({ ...first, entry: [first.entry, second.entry].flat() }), 200)
  await settled(album.length)
  const rows = await Promise.all(album.map(({ message }) => assertCarried(project, message)))
  assert.equal(new Set(rows.map(row => row.lead_id)).size, 1)
  assert.equal(new Set(rows.map(row => row.object_key)).size, album.length)
  assert.equal(await count('leads'), 1)
})

test('the same picture in two messages of two people is two rows and two objects', async () => {
  const one = await picture()
  const other = await picture({ from: '4915199999999' })
  const forwarded = { ...other.meta, image: one.meta.image }
  assert.equal(await send(webhook(messagesValue([one.meta, forwarded], { contacts: [] }))), 200)
  await settled(2)
  const rows = await Promise.all([one, other].map(({ message }) => rowOf(project, message.id)))
  assert.deepEqual(
    rows.map(row => [row.upload_status, row.whatsapp_media_id, row.sha256 === rows[0]?.sha256]),
    [
      ['UPLOADED', one.message.media.id, true],
      ['UPLOADED', one.message.media.id, true],
    ],
  )
  assert.notEqual(rows[0]?.lead_id, rows[1]?.lead_id)
  assert.notEqual(rows[0]?.object_key, rows[1]?.object_key)
})

for (const [code, type, kind] of [
  [131051, 'unsupported', null],
  [131060, 'unsupported', null],
  [131052, 'document', 'document'],
] as const) {
  test(`${type} (${code}): a FAILED row that says why, and its neighbours go through`, async () => {
    const bad = await picture({
      type,
      image: undefined,
      errors: [{ code, title: 'T', error_data: { details: `Details ${code}` } }],
    })
    const good = await picture()
    assert.equal(await sendMessages(bad.meta, good.meta), 200)
    await settled(1)
    const row = await rowOf(project, bad.message.id)
    assert.deepEqual(
      [row.upload_status, row.kind, row.error_code, row.error_message, row.upload_attempts],
      ['FAILED', kind, String(code), `Details ${code}`, 0],
    )
    await assertCarried(project, good.message)
  })
}

test('text, statuses and a message without a shape make no attachment and lose no neighbour', async () => {
  const good = await picture()
  const text = imageMessage({ id: 'wamid.text', type: 'text', image: undefined, text: { body: 'hello' } })
  const payload = webhook(messagesValue([text, { type: 'image', image: { id: '1' } }, good.meta]), {
    statuses: [{ id: 'wamid.1', status: 'delivered' }],
  })
  assert.equal(await send(payload), 200)
  await settled(1)
  await assertCarried(project, good.message)
  assert.equal(await count('attachments'), 1)
  assert.equal(await count('rejected_payloads'), 1)
})

test('what is not signed with the app secret leaves nothing', async () => {
  const { meta } = await picture()
  assert.equal(await send(webhook(messagesValue([meta])), 'another secret'), 401)
  assert.deepEqual([await count('attachments'), await count('processed_messages')], [0, 0])
})
