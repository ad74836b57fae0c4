import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, test } from 'node:test'
import { kindOf, type ReplayOptions, replay } from '../../src/commands/replay.ts'
import { UserError } from '../../src/errors.ts'
import { takeProject } from '../support/project.ts'

const project = await takeProject()
const folder = mkdtempSync(join(tmpdir(), 'mediaferry-replay-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const NAMES = [
  'SUPABASE_URL',
  'SUPABASE_SECRET_KEY',
  'WHATSAPP_APP_SECRET',
  'WHATSAPP_VERIFY_TOKEN',
  'WHATSAPP_GRAPH_URL',
]
let before: (string | undefined)[] = []
beforeEach(() => {
  before = NAMES.map(name => process.env[name])
  Object.assign(process.env, {
    SUPABASE_URL: project.url,
    SUPABASE_SECRET_KEY: project.secretKey,
    WHATSAPP_APP_SECRET: project.appSecret,
    WHATSAPP_VERIFY_TOKEN: 'v',
    WHATSAPP_GRAPH_URL: project.graphUrl,
  })
})
afterEach(() => {
  for (const [at, name] of NAMES.entries()) {
    const text = before[at]
    if (text === undefined) delete process.env[name]
    else process.env[name] = text
  }
})

const newest = async () => {
  const { rows } = await project.database.query(
    `select kind, caption, file_name, voice, phone_number_id, whatsapp_media_id, declared_sha256, declared_mime_type
     from public.attachments order by id desc limit 1`,
  )
  return rows[0]
}

test('every kind, with and without a caption', async () => {
  for (const kind of ['image', 'video', 'audio', 'document', 'sticker'] as const) {
    const caption = kind === 'audio' || kind === 'sticker' ? {} : { caption: `a ${kind}` }
    await replay({ kind, from: '15550009999', count: 1, ...caption })
    const row = await newest()
    assert.equal(row.kind, kind)
    assert.equal(row.caption, caption.caption ?? null)
    assert.equal(row.voice, kind === 'audio' ? true : null)
  }
})

test('a deployed function is told of a file that WhatsApp does not have, for the number of the business', async () => {
  process.env.WHATSAPP_GRAPH_URL = 'https://graph.facebook.com'
  delete process.env.SUPABASE_URL
  const file = join(folder, 'offer.pdf')
  writeFileSync(file, '%PDF-1.4\n%%EOF\n')
  const options = { kind: 'document', from: '15550009999', count: 1, file, url: project.webhookUrl } as const
  await replay({ ...options, phoneNumberId: '42' })
  const row = await newest()
  assert.equal(row.phone_number_id, '42')
  assert.match(row.whatsapp_media_id, /^9\d{14}$/)
  assert.equal(row.declared_sha256, createHash('sha256').update('%PDF-1.4\n%%EOF\n').digest('hex'))
  assert.equal(row.declared_mime_type, 'application/pdf')
  assert.equal(row.file_name, 'offer.pdf')
  await assert.rejects(replay(options), (error: unknown) => {
    assert.ok(error instanceof UserError)
    assert.match(error.message, /--phone-number-id/)
    return true
  })
})

test('what cannot be sent is said before anything is', async () => {
  const refused = async (options: Partial<ReplayOptions>, says: RegExp) =>
    assert.rejects(replay({ kind: 'image', from: '15550009999', count: 1, ...options }), says)
  await refused({ kind: 'sticker', caption: 'x' }, /no caption for sticker/)
  await refused({ url: 'http://example.com/hook' }, /https:/)
  await refused({ file: join(folder, 'missing.jpg') }, /There is no file/)
  assert.throws(() => kindOf({ image: true, video: true }), /Name one kind/)
})
