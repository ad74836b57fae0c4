import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { escapeAsMeta } from '../../../supabase/functions/whatsapp-webhook/compose.ts'
import { signBody } from '../../../supabase/functions/whatsapp-webhook/sign.ts'
import { startDatabaseProject } from './database-project.ts'
import { deliver } from './real-function.ts'
import {
  bytesOf,
  imageMessage,
  messagesValue,
  SHA_BASE64,
  SHA_HEX,
  webhook,
} from './whatsapp-webhook/samples.ts'

const project = await startDatabaseProject({ after })

beforeEach(() =>
  rows(
    'truncate public.leads, public.attachments, public.processed_messages, public.rejected_payloads, public.system_events',
  ),
)

type Row = Record<string, unknown>

const rows = (sql: string) => project.database.rows(sql)
const attachments = (columns: string) => rows(`select ${columns} from public.attachments order by message_id`)
const countOf = async (table: string) => (await rows(`select count(*)::int as n from public.${table}`))[0]?.n
const counts = async () =>
  await Promise.all(['attachments', 'processed_messages', 'rejected_payloads'].map(countOf))

const send = (payload: unknown, secret = project.appSecret) =>
  deliver(project.webhook.url, secret, bytesOf(payload))
const sendMessages = (...messages: unknown[]) => send(webhook(messagesValue(messages)))

test('all five kinds, with everything that was said of them', async () => {
  const common = { mime_type: 'x/y', sha256: SHA_BASE64 }
  const message = (id: string, type: string, object: Row) =>
    imageMessage({ id, type, image: undefined, [type]: { ...common, id: `media-${id}`, ...object } })
  assert.equal(
    await sendMessages(
      message('a', 'image', { caption: 'Look' }),
      message('b', 'video', { caption: 'Film', sha256: SHA_HEX.toUpperCase() }),
      message('c', 'audio', { voice: true, mime_type: 'audio/ogg; codecs=opus' }),
      message('d', 'document', { caption: 'Bill', filename: 'bill.pdf' }),
      message('e', 'sticker', { animated: true }),
    ),
    200,
  )
  const found = await attachments(
    'kind, whatsapp_media_id, caption, file_name, voice, animated, declared_mime_type, declared_sha256, upload_status, bucket, max_attempts',
  )
  const same = {
    caption: null,
    file_name: null,
    voice: null,
    animated: null,
    declared_mime_type: 'x/y',
    declared_sha256: SHA_HEX,
    upload_status: 'PENDING',
    bucket: 'attachments',
    max_attempts: 5,
  }
  assert.deepEqual(found, [
    { ...same, kind: 'image', whatsapp_media_id: 'media-a', caption: 'Look' },
    { ...same, kind: 'video', whatsapp_media_id: 'media-b', caption: 'Film' },
    {
      ...same,
      kind: 'audio',
      whatsapp_media_id: 'media-c',
      voice: true,
      declared_mime_type: 'audio/ogg; codecs=opus',
    },
    { ...same, kind: 'document', whatsapp_media_id: 'media-d', caption: 'Bill', file_name: 'bill.pdf' },
    { ...same, kind: 'sticker', whatsapp_media_id: 'media-e', animated: true },
  ])
})

test('refused deliveries leave nothing', async () => {
  const payload = webhook(messagesValue([imageMessage()]))
  const refuse = async (headers: Record<string, string>) =>
    (await fetch(project.webhook.url, { method: 'POST', body: bytesOf(payload), headers })).status
  assert.equal(await refuse({}), 401)
  assert.equal(await send(payload, 'another secret'), 401)
  const reserialised = await signBody(project.appSecret, bytesOf(JSON.stringify(payload, null, 1)))
  assert.equal(await refuse({ 'x-hub-signature-256': reserialised }), 401)
  assert.deepEqual(await counts(), [0, 0, 0])
})

test('messages without a file, types yet unknown and __proto__ are processed and nothing more', async () => {
  const text = JSON.stringify(
    webhook(messagesValue([imageMessage({ id: 'c', type: '@', '@': { id: '6' }, image: undefined })])),
  )
  assert.equal(
    await sendMessages(imageMessage({ id: 'a', type: 'text' }), imageMessage({ id: 'b', type: 'hologram' })),
    200,
  )
  assert.equal(await send(text.replaceAll('"@"', '"__proto__"')), 200)
  assert.deepEqual(await counts(), [0, 3, 0])
})

test('statuses leave nothing', async () => {
  assert.equal(await send(webhook({ statuses: [{ id: 'wamid.1', status: 'delivered' }] })), 200)
  assert.deepEqual(await counts(), [0, 0, 0])
})

test('131051, 131052, 131060 and a missing media id are FAILED rows that say why', async () => {
  const failed = (id: string, code: number, type: string) =>
    imageMessage({
      id,
      type,
      image: undefined,
      errors: [{ code, title: 'T', error_data: { details: `Details ${code}` } }],
    })
  assert.equal(
    await sendMessages(
      failed('a', 131051, 'unsupported'),
      failed('b', 131052, 'document'),
      failed('c', 131060, 'unsupported'),
      imageMessage({ id: 'd', image: { mime_type: 'image/png' } }),
    ),
    200,
  )
  assert.deepEqual(await attachments('upload_status, kind, error_code, error_message, upload_attempts'), [
    {
      upload_status: 'FAILED',
      kind: null,
      error_code: '131051',
      error_message: 'Details 131051',
      upload_attempts: 0,
    },
    {
      upload_status: 'FAILED',
      kind: 'document',
      error_code: '131052',
      error_message: 'Details 131052',
      upload_attempts: 0,
    },
    {
      upload_status: 'FAILED',
      kind: null,
      error_code: '131060',
      error_message: 'Details 131060',
      upload_attempts: 0,
    },
    {
      upload_status: 'FAILED',
      kind: 'image',
      error_code: 'media_id_missing',
      error_message: null,
      upload_attempts: 0,
    },
  ])
})

test('escaped unicode and emoji come out as they were typed', async () => {
  const payload = webhook(
    messagesValue([imageMessage({}, { caption: 'Grüße 👩‍👩‍👧 </b>' })], {
      contacts: [{ wa_id: '4915112345678', profile: { name: 'Zoë 😀' } }],
    }),
  )
  assert.equal(await send(escapeAsMeta(JSON.stringify(payload))), 200)
  assert.deepEqual(await attachments('caption'), [{ caption: 'Grüße 👩‍👩‍👧 </b>' }])
  assert.deepEqual(await rows('select profile_name, phone from public.leads'), [
    { profile_name: 'Zoë 😀', phone: '4915112345678' },
  ])
})

test('NUL, lone surrogates and invalid UTF-8: the rows are kept, the text mended', async () => {
  const json = (id: string) =>
    JSON.stringify(webhook(messagesValue([imageMessage({ id }, { caption: 'a@b' })])))
  assert.equal(await send(json('a').replace('@', '\\u0000')), 200)
  assert.equal(await send(json('b').replace('@', '\\ud83d')), 200)
  const invalid = bytesOf(json('c')).map(byte => (byte === 0x40 ? 0xc3 : byte))
  assert.equal(await deliver(project.webhook.url, project.appSecret, invalid), 200)
  assert.deepEqual(await attachments('caption'), [
    { caption: 'ab' },
    { caption: 'a\ufffdb' },
    { caption: 'a\ufffdb' },
  ])
})

test('10,000-character captions and file names with slashes are kept whole', async () => {
  const caption = 'ä😀'.repeat(5000)
  const filename = '../../etc/\\passwd/./x.pdf'
  assert.equal(
    await sendMessages(imageMessage({ type: 'document', document: { id: '1', caption, filename } })),
    200,
  )
  assert.deepEqual(await attachments("caption, file_name, object_prefix ~ '^[0-9]+$' as safe"), [
    { caption, file_name: filename, safe: true },
  ])
})

test('a 100-year-old timestamp, and one that is none, do not lose the row', async () => {
  const messages = ['-1388534400', 'yesterday', '99999999999999'].map((timestamp, at) =>
    imageMessage({ id: String(at), timestamp }),
  )
  assert.equal(await sendMessages(...messages), 200)
  const ages = await attachments(
    "extract(year from sent_at at time zone 'utc')::int = 1926 as old, abs(extract(epoch from now() - sent_at)) < 60 as new, expires_at - sent_at = interval '7 days' as week, upload_status",
  )
  const same = { week: true, upload_status: 'PENDING' }
  assert.deepEqual(ages, [
    { ...same, old: true, new: false },
    { ...same, old: false, new: true },
    { ...same, old: false, new: true },
  ])
})

test('a thousand messages in one POST', async () => {
  const messages = Array.from({ length: 1000 }, (_, at) =>
    imageMessage({ id: `wamid.${at}`, from: String(49151000 + (at % 300)) }, { id: String(at) }),
  )
  assert.equal(await sendMessages(...messages), 200)
  assert.deepEqual(await counts(), [1000, 1000, 0])
  assert.equal(await countOf('leads'), 300)
})

test('the same POST ten times at once is one row each', async () => {
  const messages = Array.from({ length: 20 }, (_, at) =>
    imageMessage({ id: `wamid.${at}`, from: String(49151000 + at) }, { id: String(at) }),
  )
  const payload = webhook(messagesValue(messages, { contacts: [] }))
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(payload)))
  assert.deepEqual(answers, Array(10).fill(200))
  assert.deepEqual(await counts(), [20, 20, 0])
  assert.equal(await countOf('leads'), 20)
})

test('duplicates inside one POST are one row', async () => {
  const message = imageMessage()
  assert.equal(await send(webhook(messagesValue([message, message]), messagesValue([message]))), 200)
  assert.deepEqual(await counts(), [1, 1, 0])
})

test('the same file in two messages is two rows', async () => {
  assert.equal(await sendMessages(imageMessage({ id: 'a' }), imageMessage({ id: 'b' })), 200)
  assert.deepEqual(await counts(), [2, 2, 0])
})

test('overlapping batches at once, in opposite order: no deadlock, nothing lost', async () => {
  for (let round = 0; round < 5; round++) {
    const messages = Array.from({ length: 40 }, (_, at) =>
      imageMessage({ id: `${round}.${at}`, from: String(49151000 + at), from_user_id: `DE.${at % 7}${at}` }),
    )
    const batches = [messages.slice(0, 30), messages.slice(10).reverse(), [...messages].reverse(), messages]
    const answers = await Promise.all(batches.map(batch => sendMessages(...batch)))
    assert.deepEqual(answers, [200, 200, 200, 200])
  }
  assert.deepEqual(await counts(), [200, 200, 0])
  assert.equal(await countOf('leads'), 40)
})

test('a phone and a user id that turn out to be one person become one lead', async () => {
  const byPhone = webhook(messagesValue([imageMessage({ id: 'a' })]))
  const byUserId = webhook(
    messagesValue([imageMessage({ id: 'b', from: undefined, from_user_id: 'DE.7' })], {
      contacts: [{ user_id: 'DE.7', profile: { name: 'Nell' } }],
    }),
  )
  const both = webhook(messagesValue([imageMessage({ id: 'c', from_user_id: 'DE.7' })], { contacts: [] }))
  for (const payload of [byPhone, byUserId, both]) assert.equal(await send(payload), 200)
  const leads = await rows('select user_id, phone from public.leads')
  assert.deepEqual(leads, [{ user_id: 'DE.7', phone: '4915112345678' }])
  const owned = await attachments('lead_id = (select id from public.leads) as same')
  assert.deepEqual(owned, [{ same: true }, { same: true }, { same: true }])
})

test('a sender nobody knows: the file is carried all the same', async () => {
  assert.equal(
    await send(webhook(messagesValue([imageMessage({ from: undefined })], { contacts: undefined }))),
    200,
  )
  assert.deepEqual(await attachments('lead_id, object_prefix, upload_status'), [
    { lead_id: null, object_prefix: 'unassigned', upload_status: 'PENDING' },
  ])
})

test('a body that is no JSON is kept byte for byte, once however often it comes', async () => {
  const body = Uint8Array.of(0x7b, 0x00, 0xff, 0xfe, 0x22)
  for (let time = 0; time < 2; time++) {
    assert.equal(await deliver(project.webhook.url, project.appSecret, body), 200)
  }
  assert.deepEqual(await rows('select reason, payload, times from public.rejected_payloads'), [
    { reason: 'not JSON', payload: Buffer.from(body), times: 2 },
  ])
})

test('a message without its shape is kept, and its neighbours go through', async () => {
  const bad = { type: 'image', image: { id: '1' } }
  assert.equal(await sendMessages(imageMessage({ id: 'a' }), bad, imageMessage({ id: 'b' })), 200)
  assert.deepEqual(await counts(), [2, 2, 1])
  const [reject] = await rows(
    "select reason, convert_from(payload, 'utf8') as json, phone_number_id from public.rejected_payloads",
  )
  assert.deepEqual(reject, {
    reason: 'message without a usable id',
    json: JSON.stringify(bad),
    phone_number_id: '106540352242922',
  })
})

test('a message that the database refuses is kept whole, its neighbours go through, and it may come again', async t => {
  const poison = imageMessage({ id: 'poison' }, { caption: 'poison' })
  await rows("alter table public.attachments add constraint test_poison check (caption <> 'poison')")
  t.after(() => rows('alter table public.attachments drop constraint if exists test_poison'))
  assert.equal(await sendMessages(imageMessage({ id: 'a' }), poison, imageMessage({ id: 'z' })), 200)
  assert.deepEqual(await counts(), [2, 2, 1])
  const [reject] = await rows(
    "select left(reason, 5) as sqlstate, message_id, convert_from(payload, 'utf8')::jsonb as payload from public.rejected_payloads",
  )
  assert.deepEqual(reject, { sqlstate: '23514', message_id: 'poison', payload: poison })

  await rows('alter table public.attachments drop constraint test_poison')
  assert.equal(await sendMessages(poison), 200)
  assert.deepEqual(await counts(), [3, 3, 1])
})

test('what the database did not commit is 500, leaves nothing, and goes in when it comes again', async t => {
  await rows(`create function public.test_disk_full() returns trigger language plpgsql as
    $$begin raise exception 'disk full: %', new.caption using errcode = '53100'; end$$`)
  await rows(
    'create trigger test_disk_full before insert on public.attachments for each row execute function public.test_disk_full()',
  )
  t.after(() => rows('drop function if exists public.test_disk_full cascade'))
  const payload = webhook(
    messagesValue([
      imageMessage({ id: 'a', type: 'text' }),
      imageMessage({ id: 'b' }, { caption: 'private' }),
    ]),
  )
  assert.equal(await send(payload), 500)
  assert.deepEqual(await counts(), [0, 0, 0])
  const logged = project.webhook.lines.join('\n')
  assert.match(logged, /53100/)
  assert.doesNotMatch(logged, /private/)

  await rows('drop function public.test_disk_full cascade')
  assert.equal(await send(payload), 200)
  assert.deepEqual(await counts(), [1, 2, 0])
})
