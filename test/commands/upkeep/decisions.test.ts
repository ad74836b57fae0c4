import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { checkObject } from '../../../src/commands/upkeep/check-object.ts'
import { inEnvelope } from '../../../src/commands/upkeep/envelope.ts'
import { inLanes } from '../../../src/commands/upkeep/in-lanes.ts'
import { attachmentOf, orphanKind } from '../../../src/commands/upkeep/orphan.ts'
import { printable } from '../../../src/commands/upkeep/printable.ts'
import { openWatermark } from '../../../src/commands/upkeep/watermark.ts'
import type { Owner, StoredFile } from '../../../src/database/upkeep.ts'
import { TransferError } from '../../../src/transfer/transfer-error.ts'
import { walkObjects } from '../../../src/transfer/walk.ts'
import { extractBatch } from '../../../supabase/functions/whatsapp-webhook/extract.ts'

const NEVER = new AbortController().signal
const NOW = Date.parse('2026-11-22T12:00:00Z')
const owner = (changes: Partial<Owner> = {}): Owner => ({
  id: 7,
  bucket: 'attachments',
  upload_status: 'UPLOADED',
  object_prefix: '5',
  object_key: '5/7-2.jpg',
  ...changes,
})

test('only a key of ours that no row can still need is an orphan to be removed', () => {
  const kind = (key: string, row?: Owner, createdAt: string | null = '2026-11-22T10:00:00Z') =>
    orphanKind({ key, size: 1, createdAt }, 'attachments', row, NOW - 3_600_000)
  assert.equal(kind('5/7-2.jpg', owner()), null, 'named')
  assert.equal(kind('5/7-1.jpg', owner()), 'replaced')
  assert.equal(kind('5/7-1.jpg', undefined), 'gone')
  assert.equal(kind('5/7-1.jpg', undefined, '2026-11-22T11:30:00Z'), null, 'young')
  assert.equal(kind('5/7-1.jpg', undefined, null), 'gone', 'of unknown age')
  for (const upload_status of ['PENDING', 'UPLOADING'] as const) {
    assert.equal(kind('5/7-1.jpg', owner({ upload_status, object_key: null })), null)
  }
  assert.equal(kind('5/7-1.jpg', owner({ upload_status: 'FAILED', object_key: null })), 'failed')
  assert.equal(kind('6/7-1.jpg', owner()), 'foreign', 'under another row’s prefix')
  assert.equal(kind('5/7-1.jpg', owner({ bucket: 'older' })), 'foreign')
  assert.equal(kind('.probe/0b6cf1de-7f9a-4ba8-b6cb-2a5ac5a4c9a2.bin'), 'probe')
  for (const key of ['logo.png', '5/photo.jpg', '5/7-1', 'x/5/7-1.jpg', '5/07-1.jpg', '5/7-1.jpg/x']) {
    assert.equal(attachmentOf(key), null, key)
    assert.equal(kind(key), 'foreign')
  }
})

test('everything up to the watermark is done, whatever is done beyond it', () => {
  const watermark = openWatermark(10)
  assert.equal(watermark.reached(), 10)
  for (const id of [12, 15, 20]) watermark.start(id)
  assert.equal(watermark.reached(), 11)
  watermark.finish(20)
  watermark.finish(12)
  assert.equal(watermark.reached(), 14)
  watermark.finish(15)
  assert.equal(watermark.reached(), 20)
})

test('lanes hold back their source, and an error or a stop lets no more start', async () => {
  let given = 0
  let live = 0
  let peak = 0
  async function* numbers() {
    for (; given < 100; given++) yield given
  }
  const done: number[] = []
  const work = async (item: number) => {
    peak = Math.max(peak, ++live)
    await turn()
    live--
    if (item === 20) throw new Error('at 20')
    done.push(item)
  }
  await assert.rejects(inLanes(numbers(), 3, NEVER, work), /at 20/)
  assert.equal(peak, 3)
  assert.ok(given < 30, `${given} were asked for`)
  assert.equal(live, 0, 'what was under way is waited for')

  given = 0
  const stop = new AbortController()
  await inLanes(numbers(), 3, stop.signal, async item => {
    if (item === 5) stop.abort()
    if (stop.signal.aborted) throw new Error('interrupted')
  })
  assert.ok(given < 12)
})

const file: StoredFile = {
  id: 7,
  bucket: 'attachments',
  object_key: '5/7-1.jpg',
  size_bytes: 10,
  sha256: 'aa',
  expires_at: '2026-11-29T00:00:00Z',
}

test('an object is judged by being there, its size, and deep by its bytes', async () => {
  const check = (found: { size: number; sha256: string } | null, deep: boolean) => {
    const hashed = found === null ? null : { ...found, contentType: null }
    const storage = { objectInfo: async () => found, hashObject: async () => hashed }
    return checkObject(storage, file, deep, NEVER)
  }
  assert.equal(await check({ size: 10, sha256: 'aa' }, true), null)
  assert.equal((await check(null, false))?.problem, 'missing')
  assert.equal((await check({ size: 9, sha256: 'aa' }, false))?.problem, 'size')
  assert.equal((await check({ size: 10, sha256: 'bb' }, true))?.problem, 'bytes')
  const refusing = (verdict: 'fail' | 'retry') => ({
    hashObject: async () => null,
    objectInfo: async () => {
      throw new TransferError({ verdict, code: 'x', message: 'Not a safe object key.' })
    },
  })
  assert.equal((await checkObject(refusing('fail'), file, false, NEVER))?.problem, 'unreadable')
  await assert.rejects(checkObject(refusing('retry'), file, false, NEVER), TransferError)
})

test('a bucket is walked folder by folder and page by page', async () => {
  const keys = [
    'a.txt',
    ...Array.from({ length: 1001 }, (_, at) => `5/${String(at).padStart(4, '0')}`),
    '6/7/8',
  ]
  const storage = {
    listObjects: async (_bucket: string, folder: string, page: { limit: number; offset: number }) => {
      const start = folder === '' ? '' : `${folder}/`
      const below = keys.filter(key => key.startsWith(start)).map(key => key.slice(start.length).split('/'))
      const names = new Map(below.map(([name = '', ...rest]) => [name, rest.length > 0]))
      return [...names]
        .map(([name, isFolder]) => ({ name, isFolder, size: isFolder ? null : 1, createdAt: null }))
        .slice(page.offset, page.offset + page.limit)
    },
  }
  const walked: string[] = []
  for await (const { key } of walkObjects(storage, 'attachments', NEVER)) walked.push(key)
  assert.deepEqual(walked, keys)
})

const OPTIONS = { bucket: 'attachments', maxAttempts: 5, now: NOW }
const message = {
  id: 'wamid.1',
  from: '15550001234',
  timestamp: '1700000000',
  type: 'image',
  image: { id: '77', mime_type: 'image/jpeg' },
}
const value = { metadata: { phone_number_id: '1' }, messages: [message] }
const change = { field: 'messages', value }
const entry = { id: '0', changes: [change] }

test('whatever part was kept, the webhook reads it as if it had just come', () => {
  for (const part of [message, value, change, entry, { entry: [entry] }]) {
    const bytes = Buffer.from(JSON.stringify(part))
    const { messages, rejected } = extractBatch(inEnvelope(bytes, '1'), OPTIONS)
    assert.deepEqual(rejected, [])
    assert.deepEqual(
      messages.map(each => [each.message_id, each.phone_number_id, each.media?.whatsapp_media_id]),
      [['wamid.1', '1', '77']],
    )
  }
})

test('what cannot be read stays the payload that it is', () => {
  for (const text of ['no JSON', '[1]', '"text"', '{"entry":1}']) {
    const bytes = Buffer.from(text)
    assert.deepEqual(Buffer.from(inEnvelope(bytes, null)), bytes)
  }
  const unreadable = Buffer.from('{"id":1}')
  const { rejected } = extractBatch(inEnvelope(unreadable, null), OPTIONS)
  assert.equal(Buffer.from(rejected[0]?.payload_base64 ?? '', 'base64').toString(), '{"id":1}')
})

test('a text of others cannot command the terminal', () => {
  const hostile = 'a\u001b[2Jb\u0007\rc\u009bd\u202ee\ufefff\n\tg'
  assert.equal(printable(hostile), 'a\\u001b[2Jb\\u0007\\u000dc\\u009bd\\u202ee\\ufefff\n\tg')
})
