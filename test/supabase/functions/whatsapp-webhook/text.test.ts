import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { base64Of, sha256Hex } from '../../../../supabase/functions/whatsapp-webhook/hash.ts'
import {
  identifier,
  mendErrorText,
  mendText,
  mimeType,
} from '../../../../supabase/functions/whatsapp-webhook/text.ts'
import { sentAt } from '../../../../supabase/functions/whatsapp-webhook/timestamp.ts'
import { SHA_BASE64, SHA_HEX } from './samples.ts'

const anyUnits = fc.array(fc.integer({ min: 0, max: 0xffff })).map(units => String.fromCharCode(...units))

test('mended text loses NUL and lone surrogates and keeps everything else', () => {
  assert.equal(mendText('a\0b\ud83d!\n'), 'ab\ufffd!\n')
  assert.equal(mendText('Grüße 👩‍👩‍👧 \u202e/..\\'), 'Grüße 👩‍👩‍👧 \u202e/..\\')
  const long = 'ä'.repeat(10_000)
  assert.equal(mendText(long), long)
})

test('what is no text, or has nothing left, is null', () => {
  for (const value of ['', '\0\0', 7, null, undefined, {}, ['a'], true]) assert.equal(mendText(value), null)
})

test('any text comes out well-formed and without NUL', () => {
  fc.assert(
    fc.property(anyUnits, text => {
      const mended = mendText(text) ?? ''
      assert.ok(mended.isWellFormed())
      assert.ok(!mended.includes('\0'))
      if (text.isWellFormed() && !text.includes('\0')) assert.equal(mended, text)
    }),
  )
})

test('error texts end at 500 code points, not in the middle of one', () => {
  assert.equal(mendErrorText('😀'.repeat(501)), '😀'.repeat(500))
  assert.equal(mendErrorText(`x${'😀'.repeat(600)}`), `x${'😀'.repeat(499)}`)
  fc.assert(
    fc.property(anyUnits, text => {
      const mended = mendErrorText(text) ?? ''
      assert.ok(mended.isWellFormed() && Array.from(mended).length <= 500)
    }),
  )
})

test('identifiers are taken whole or not at all', () => {
  assert.equal(identifier('wamid.HBgL+/=='), 'wamid.HBgL+/==')
  assert.equal(identifier('x'.repeat(512)), 'x'.repeat(512))
  for (const bad of ['', 'a b', 'a\0', 'a\ud83d', 'ä', 'a\ufffd', 'x'.repeat(513), 12, null, {}]) {
    assert.equal(identifier(bad), null)
  }
})

test('media types are printable ASCII', () => {
  assert.equal(mimeType('audio/ogg; codecs=opus'), 'audio/ogg; codecs=opus')
  for (const bad of ['', 'image/jpeg\r\nx: y', 'ü/ü', 'x'.repeat(256), 5]) assert.equal(mimeType(bad), null)
})

test('hashes are told by their shape', () => {
  assert.equal(sha256Hex(SHA_BASE64), SHA_HEX)
  assert.equal(sha256Hex(SHA_BASE64.slice(0, -1)), SHA_HEX)
  assert.equal(sha256Hex(SHA_BASE64.replaceAll('+', '-').replaceAll('/', '_')), SHA_HEX)
  assert.equal(sha256Hex(SHA_HEX), SHA_HEX)
  assert.equal(sha256Hex(SHA_HEX.toUpperCase()), SHA_HEX)
  for (const bad of ['', 'x', SHA_HEX.slice(1), `${SHA_HEX}0`, `${SHA_BASE64}=`, 'é'.repeat(43), 3, null]) {
    assert.equal(sha256Hex(bad), null)
  }
})

test('any 32 bytes as base64 are the same 32 bytes as hex', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
      assert.equal(sha256Hex(Buffer.from(bytes).toString('base64')), Buffer.from(bytes).toString('hex'))
    }),
  )
})

test('base64 is the standard one at every length, beyond one piece too', () => {
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      assert.equal(base64Of(bytes), Buffer.from(bytes).toString('base64'))
    }),
  )
  for (const size of [24_575, 24_576, 24_577, 100_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, at) => at % 251)
    assert.equal(base64Of(bytes), Buffer.from(bytes).toString('base64'))
  }
})

test('timestamps are kept however old, and unknown when they are none', () => {
  const now = Date.parse('2026-11-22T12:00:00Z')
  assert.equal(sentAt('1744344496', now), '2025-04-11T04:08:16.000Z')
  assert.equal(sentAt(1744344496, now), '2025-04-11T04:08:16.000Z')
  assert.equal(sentAt('-1388534400', now), '1926-01-01T00:00:00.000Z')
  assert.equal(sentAt('0', now), '1970-01-01T00:00:00.000Z')
  assert.equal(sentAt('-62135596800', now), '0001-01-01T00:00:00.000Z')
  assert.equal(sentAt(String(now / 1000 + 3600), now), '2026-11-22T13:00:00.000Z')
  const unknown = [
    '',
    'soon',
    '1e9',
    '1744344496.5',
    ' 1744344496',
    '-62135596801',
    '1744344496000',
    '99999999999999999',
  ]
  for (const bad of [...unknown, String(now / 1000 + 86_401), Number.NaN, null, undefined, {}]) {
    assert.equal(sentAt(bad, now), null)
  }
})

test('any timestamp becomes a date that PostgreSQL reads, or null', () => {
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeInteger().map(String), fc.double(), fc.anything()), value => {
      const iso = sentAt(value, Date.parse('2026-11-22T12:00:00Z'))
      assert.ok(iso === null || /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/.test(iso))
    }),
  )
})
