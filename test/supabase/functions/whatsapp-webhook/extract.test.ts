import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { extractBatch } from '../../../../supabase/functions/whatsapp-webhook/extract.ts'
import { bytesOf, imageMessage, messagesValue, SHA_HEX, webhook } from './samples.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
const OPTIONS = { bucket: 'attachments', maxAttempts: 5, now: NOW }
const extract = (payload: unknown) => extractBatch(bytesOf(payload), OPTIONS)
const textOf = (base64: string | undefined) => Buffer.from(base64 ?? '', 'base64').toString()
const ids = (payload: unknown) => extract(payload).messages.map(message => message.message_id)

test('an image, whole', () => {
  const message = imageMessage({}, { caption: 'Look' })
  assert.deepEqual(extract(webhook(messagesValue([message]))), {
    messages: [
      {
        message_id: 'wamid.HBgNNDkxNTExMjM0NTY3OBUCABIYFDNB',
        phone_number_id: '106540352242922',
        sent_at: '2025-04-11T04:08:16.000Z',
        bucket: 'attachments',
        max_attempts: 5,
        contact: { user_id: null, phone: '4915112345678', profile_name: 'Sheena Nelson' },
        media: {
          whatsapp_media_id: '1003383421387256',
          kind: 'image',
          caption: 'Look',
          file_name: null,
          voice: null,
          animated: null,
          declared_mime_type: 'image/jpeg',
          declared_sha256: SHA_HEX,
          error_code: null,
          error_message: null,
        },
        raw_base64: Buffer.from(JSON.stringify(message)).toString('base64'),
      },
    ],
    rejected: [],
    ignored: 0,
  })
})

test('every entry, change and message, in order', () => {
  const value = (...names: string[]) => messagesValue(names.map(id => imageMessage({ id })))
  const [first, second] = [webhook(value('a', 'b'), value('c')), webhook(value('d'))]
  assert.deepEqual(ids({ entry: [first.entry, second.entry].flat() }), ['a', 'b', 'c', 'd'])
})

test('a thousand messages', () => {
  const messages = Array.from({ length: 1000 }, (_, at) => imageMessage({ id: `wamid.${at}` }))
  assert.equal(new Set(ids(webhook(messagesValue(messages)))).size, 1000)
})

test('statuses, account errors and other fields are ignored', () => {
  const statuses = messagesValue([], {
    statuses: [{ id: 'wamid.x', status: 'read' }],
    errors: [{ code: 130429 }],
  })
  const { messages: _, ...onlyStatuses } = statuses
  const other = { entry: [{ changes: [{ field: 'account_update', value: {} }] }] }
  assert.deepEqual(extract(webhook(statuses)), { messages: [], rejected: [], ignored: 2 })
  assert.deepEqual(extract(webhook(onlyStatuses)), { messages: [], rejected: [], ignored: 2 })
  assert.deepEqual(extract(other), { messages: [], rejected: [], ignored: 1 })
})

test('a message without a file is processed and nothing more', () => {
  const { messages, rejected } = extract(
    webhook(messagesValue([imageMessage({ type: 'text' }), imageMessage({ type: 'new' })])),
  )
  assert.deepEqual(
    messages.map(message => message.media),
    [null, null],
  )
  assert.deepEqual(rejected, [])
})

test('a bad message is a reject with its own JSON, and its neighbours go through', () => {
  const bad: [unknown, string][] = [
    [null, 'message is not an object'],
    ['x', 'message is not an object'],
    [[], 'message is not an object'],
    [imageMessage({ id: undefined }), 'message without a usable id'],
    [imageMessage({ id: 'wamid.\0' }), 'message without a usable id'],
    [imageMessage({ id: 'wamid.\ud83d' }), 'message without a usable id'],
    [imageMessage({ id: { a: 1 } }), 'message without a usable id'],
    [imageMessage({ type: undefined }), 'message without a type'],
    [imageMessage({ type: ['image'] }), 'message without a type'],
  ]
  for (const [message, reason] of bad) {
    const payload = webhook(
      messagesValue([imageMessage({ id: 'before' }), message, imageMessage({ id: 'after' })]),
    )
    const { messages, rejected } = extract(payload)
    assert.deepEqual(
      messages.map(({ message_id }) => message_id),
      ['before', 'after'],
    )
    assert.equal(rejected[0]?.reason, reason)
    assert.equal(textOf(rejected[0]?.payload_base64), JSON.stringify(message))
    assert.equal(rejected[0]?.phone_number_id, '106540352242922')
  }
})

test('a message without a phone number id is a reject that keeps its id', () => {
  const { rejected } = extract(webhook(messagesValue([imageMessage({ id: 'wamid.1' })], { metadata: {} })))
  assert.deepEqual([rejected[0]?.message_id, rejected[0]?.phone_number_id], ['wamid.1', null])
})

test('a part without its shape is the reject, at each level', () => {
  const good = webhook(messagesValue([imageMessage({ id: 'good' })])).entry
  const cases: [unknown, string][] = [
    [{}, 'no list of changes'],
    [null, 'no list of changes'],
    [{ changes: {} }, 'no list of changes'],
    [{ changes: [3] }, 'change without field'],
    [{ changes: [{ field: 'messages' }] }, 'change without value'],
    [{ changes: [{ field: 'messages', value: [] }] }, 'change without value'],
    [{ changes: [{ field: 'messages', value: { messages: 'x' } }] }, 'no list of messages'],
  ]
  for (const [entry, reason] of cases) {
    const { messages, rejected } = extract({ entry: [entry, good].flat() })
    assert.deepEqual([messages.length, rejected.map(reject => reject.reason)], [1, [reason]])
  }
  for (const payload of [{}, [], 'null', '"x"', '5', { entry: {} }]) {
    assert.deepEqual(
      extract(payload).rejected.map(reject => reject.reason),
      ['no list of entry'],
    )
  }
})

test('what is no JSON is kept byte for byte', () => {
  const bodies = ['', '{', 'hello', '\0', '{"entry":[}'].map(bytesOf)
  for (const body of [...bodies, Uint8Array.of(0xff, 0xfe, 0x00, 0x80), Uint8Array.of(0x1f, 0x8b, 8, 0)]) {
    const { messages, rejected } = extractBatch(body, OPTIONS)
    assert.deepEqual([messages, rejected[0]?.reason, rejected.length], [[], 'not JSON', 1])
    assert.deepEqual(Uint8Array.from(Buffer.from(rejected[0]?.payload_base64 ?? '', 'base64')), body)
  }
})

test('escaped and plain unicode are the same text', () => {
  const payload = JSON.stringify(webhook(messagesValue([imageMessage({}, { caption: 'Grüße 😀 a/b' })])))
  const escaped = payload
    .replaceAll('ü', '\\u00fc')
    .replaceAll('ß', '\\u00DF')
    .replaceAll('😀', '\\ud83d\\ude00')
    .replaceAll('/', '\\/')
  for (const spelling of [payload, escaped]) {
    assert.equal(extract(spelling).messages[0]?.media?.caption, 'Grüße 😀 a/b')
  }
})

test('NUL, lone surrogates and bytes that are not UTF-8 are mended and the row is kept', () => {
  const payload = JSON.stringify(webhook(messagesValue([imageMessage({}, { caption: 'a@b' })])))
  assert.equal(extract(payload.replace('@', '\\u0000')).messages[0]?.media?.caption, 'ab')
  assert.equal(extract(payload.replace('@', '\\ud83d')).messages[0]?.media?.caption, 'a\ufffdb')
  const invalid = bytesOf(payload).map(byte => (byte === 0x40 ? 0xff : byte))
  assert.equal(extractBatch(invalid, OPTIONS).messages[0]?.media?.caption, 'a\ufffdb')
})

test('__proto__ and its like are names like any other', () => {
  const text = JSON.stringify(webhook(messagesValue([imageMessage({ type: '@', '@': { id: '666' } })])))
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const { messages, rejected } = extract(text.replaceAll('"@"', JSON.stringify(name)))
    assert.deepEqual([messages.length, messages[0]?.media, rejected.length], [1, null, 0])
  }
  const inherited = '{"__proto__":{"entry":[]},"constructor":{"entry":[]}}'
  assert.equal(extract(inherited).rejected[0]?.reason, 'no list of entry')
  assert.equal(Object.hasOwn(Object.prototype, 'entry'), false)
})

test('nesting beyond the stack costs one message, not its neighbours', () => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  const text = JSON.stringify(
    webhook(messagesValue([imageMessage({ id: 'deep', x: '@' }), imageMessage({ id: 'ok' })])),
  )
  const body = text.replace('"@"', deep)
  const { messages, rejected } = extract(body)
  assert.deepEqual(
    messages.map(message => message.message_id),
    ['ok'],
  )
  assert.equal(rejected[0]?.reason, 'message nested too deeply')
  assert.equal(textOf(rejected[0]?.payload_base64), body)
})

const fuzzed = fc.letrec(tie => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.jsonValue(),
    fc.constantFrom('image', 'messages', 'wamid.1', 'unsupported', '\ud800', 'a\0', '1744344496', 131052),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        ...[
          'entry',
          'changes',
          'field',
          'value',
          'messages',
          'metadata',
          'phone_number_id',
          'contacts',
          'wa_id',
        ],
        ...[
          'id',
          'type',
          'image',
          'from',
          'user_id',
          'errors',
          'code',
          'timestamp',
          'profile',
          'name',
          '__proto__',
        ],
      ),
      tie('any'),
      { maxKeys: 6 },
    ),
  ),
}))

test('no JSON whatever makes it throw, and all that comes out is text that jsonb takes', () => {
  const check = (payload: unknown) => {
    const batch = extract(payload)
    const json = JSON.stringify(batch)
    assert.ok(!/\\u(0000|d[89a-f])/i.test(json))
    return batch
  }
  fc.assert(
    fc.property(fuzzed.any, payload => void check(payload)),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(fc.array(fuzzed.any, { maxLength: 4 }), messages => {
      const { messages: read, rejected } = check(webhook(messagesValue(messages)))
      assert.equal(read.length + rejected.length, messages.length)
    }),
    { numRuns: 500 },
  )
})

test('no bytes whatever make it throw', () => {
  fc.assert(fc.property(fc.uint8Array(), bytes => extractBatch(bytes, OPTIONS).messages.length === 0))
})
