import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  composeBody,
  escapeAsMeta,
  newMessageId,
} from '../../../../supabase/functions/whatsapp-webhook/compose.ts'
import { extractBatch } from '../../../../supabase/functions/whatsapp-webhook/extract.ts'
import { SHA_BASE64, SHA_HEX } from './samples.ts'

const OPTIONS = { bucket: 'attachments', maxAttempts: 5, now: Date.parse('2026-11-22T12:00:00Z') }

test('what is composed is what the webhook reads', () => {
  const media = { kind: 'document', id: '9', mimeType: 'application/pdf', sha256: SHA_BASE64 } as const
  const body = composeBody('106', [
    {
      id: 'wamid.1',
      from: '491511',
      userId: 'DE.1',
      profileName: 'Zoë 😀',
      timestamp: 1744344496,
      media: { ...media, caption: 'Rechnung für/von', fileName: 'Übersicht.pdf' },
    },
    {
      id: 'wamid.2',
      userId: 'DE.2',
      timestamp: 1744344497,
      media: { kind: 'audio', id: '10', mimeType: 'audio/ogg', sha256: SHA_BASE64, voice: true },
    },
  ])
  const { messages, rejected } = extractBatch(body, OPTIONS)
  assert.deepEqual(rejected, [])
  assert.deepEqual(messages[0]?.contact, { user_id: 'DE.1', phone: '491511', profile_name: 'Zoë 😀' })
  assert.deepEqual(messages[1]?.contact, { user_id: 'DE.2', phone: null, profile_name: null })
  assert.equal(messages[0]?.media?.caption, 'Rechnung für/von')
  assert.equal(messages[0]?.media?.file_name, 'Übersicht.pdf')
  assert.equal(messages[0]?.media?.declared_sha256, SHA_HEX)
  assert.equal(messages[1]?.media?.voice, true)
  assert.equal(messages[1]?.sent_at, '2025-04-11T04:08:17.000Z')
  assert.ok(body.every(byte => byte < 0x7f))
})

test("Meta's spelling is the same JSON in ASCII", () => {
  assert.equal(escapeAsMeta('"ä/😀"'), '"\\u00e4\\/\\ud83d\\ude00"')
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const escaped = escapeAsMeta(JSON.stringify(value))
      assert.deepEqual(JSON.parse(escaped), JSON.parse(JSON.stringify(value)))
      assert.match(escaped, /^[\x20-\x7e]*$/)
    }),
  )
})

test('message ids are new each time', () => {
  const made = Array.from({ length: 1000 }, newMessageId)
  assert.equal(new Set(made).size, 1000)
  assert.match(made[0] ?? '', /^wamid\.[A-Za-z0-9+/]{40}$/)
})
