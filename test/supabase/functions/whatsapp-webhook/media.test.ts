import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mediaOf } from '../../../../supabase/functions/whatsapp-webhook/media.ts'
import { imageMessage, SHA_BASE64, SHA_HEX } from './samples.ts'

const NOTHING = {
  whatsapp_media_id: null,
  kind: null,
  caption: null,
  file_name: null,
  voice: null,
  animated: null,
  declared_mime_type: null,
  declared_sha256: null,
  error_code: null,
  error_message: null,
}

const KINDS = {
  image: [{ caption: 'Look' }, { caption: 'Look' }],
  video: [{ caption: 'Film' }, { caption: 'Film' }],
  audio: [{ voice: true }, { voice: true }],
  document: [
    { caption: 'Bill', filename: '../a/b.pdf' },
    { caption: 'Bill', file_name: '../a/b.pdf' },
  ],
  sticker: [{ animated: false }, { animated: false }],
} as const

for (const [kind, [sent, kept]] of Object.entries(KINDS)) {
  test(`${kind}: everything the message says of it is kept`, () => {
    const object = { id: '77', mime_type: 'x/y; z=1', sha256: SHA_BASE64, url: 'https://x.invalid/', ...sent }
    assert.deepEqual(mediaOf({ type: kind, [kind]: object }, kind), {
      ...NOTHING,
      whatsapp_media_id: '77',
      kind,
      declared_mime_type: 'x/y; z=1',
      declared_sha256: SHA_HEX,
      ...kept,
    })
  })
}

test('messages without a file have none, types yet unknown neither', () => {
  const types = [
    'text',
    'reaction',
    'location',
    'contacts',
    'button',
    'interactive',
    'order',
    'system',
    'hologram',
  ]
  for (const type of [...types, '__proto__', 'constructor', 'toString', '']) {
    assert.equal(mediaOf({ type, image: { id: '1' } }, type), null, type)
  }
})

test('a file without an id is told as such, whatever stands in its place', () => {
  for (const image of [{}, { id: '' }, { id: 12 }, { id: 'a\0' }, null, 'x', [], undefined]) {
    assert.deepEqual(mediaOf({ type: 'image', image }, 'image'), { ...NOTHING, kind: 'image' })
  }
})

for (const code of [131051, 131052, 131060]) {
  test(`${code} is a file that will not come`, () => {
    const errors = [{ code, title: 'T', message: 'M', error_data: { details: 'Details\0' } }]
    const failed = { error_code: String(code), error_message: 'Details' }
    assert.deepEqual(mediaOf({ type: 'unsupported', errors }, 'unsupported'), { ...NOTHING, ...failed })
    assert.deepEqual(mediaOf({ type: 'text', errors }, 'text'), { ...NOTHING, ...failed })
    assert.deepEqual(mediaOf({ type: 'video', errors }, 'video'), { ...NOTHING, kind: 'video', ...failed })
    const withId = mediaOf(imageMessage({ errors }), 'image')
    assert.equal(withId?.error_code, String(code))
    assert.equal(withId?.whatsapp_media_id, '1003383421387256')
  })
}

test('another error keeps a file with an id, and fails one without', () => {
  const errors = [{ code: 131000, title: 'Something' }]
  assert.equal(mediaOf(imageMessage({ errors }), 'image')?.error_code, null)
  assert.deepEqual(mediaOf({ type: 'audio', audio: {}, errors }, 'audio'), {
    ...NOTHING,
    kind: 'audio',
    error_code: '131000',
    error_message: 'Something',
  })
  assert.equal(mediaOf({ type: 'text', errors }, 'text'), null)
})

test('the final code is found among others, as a text too', () => {
  const errors = [null, { code: 1 }, { code: '131052' }]
  assert.equal(mediaOf({ type: 'unsupported', errors }, 'unsupported')?.error_code, '131052')
})

test('what WhatsApp did not pass on is seen, with or without a reason', () => {
  assert.equal(mediaOf({ type: 'unsupported' }, 'unsupported')?.error_code, 'unsupported')
  assert.equal(mediaOf({ type: 'unsupported', errors: [{ code: 501 }] }, 'unsupported')?.error_code, '501')
  assert.equal(mediaOf({ type: 'unsupported', errors: [{}] }, 'unsupported')?.error_code, 'unknown')
})

test('an error beside the messages explains one without a file, and spoils none that has one', () => {
  const beside = [{ code: 131052, title: 'Media too large' }]
  const failed = { error_code: '131052', error_message: 'Media too large' }
  assert.deepEqual(mediaOf({ type: 'unsupported' }, 'unsupported', beside), { ...NOTHING, ...failed })
  assert.deepEqual(mediaOf({ type: 'video', video: {} }, 'video', beside), {
    ...NOTHING,
    kind: 'video',
    ...failed,
  })
  assert.equal(mediaOf(imageMessage(), 'image', beside)?.error_code, null)
  assert.equal(mediaOf({ type: 'text', text: { body: 'Hi' } }, 'text', beside), null)
  const own = [{ code: 131051, title: 'Unknown' }]
  assert.equal(mediaOf({ type: 'unsupported', errors: own }, 'unsupported', beside)?.error_code, '131051')
})
