import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { DEFAULT_TIMEOUTS } from '../../src/transfer/config.ts'
import { copyMedia } from '../../src/transfer/copy.ts'
import { openHasher } from '../../src/transfer/hashing.ts'
import { openRooms } from '../../src/transfer/rooms.ts'
import { failsWith, quiet, scene } from './scene.ts'
import { claimOf, jpeg, patient, sha256 } from './servers.ts'

const KEY = 'attachments/5/41-1.jpg'

// Once only: undici's timer for bodies has a resolution of about a second.
test('a download that stalls', async t => {
  const bytes = jpeg(1_500_000)
  const { copy, storage, meta } = await scene(t, bytes, { timeouts: { idleMs: 60 } })
  meta.download = (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, 700_000))
  }
  await assert.rejects(copy(), failsWith('whatsapp_timeout', 'unattributed', 'whatsapp'))
  assert.equal(storage.objects.size, 0)
  await quiet(meta)
})

test('Storage is slower than Meta: the download waits and is not taken for stalled', async t => {
  const bytes = jpeg(6_000_000)
  const { copy, storage } = await scene(t, bytes, { timeouts: { idleMs: 50 } })
  storage.before = request => {
    request.pause()
    const timer = setTimeout(() => request.resume(), 200)
    request.on('close', () => clearTimeout(timer))
    return false
  }
  assert.equal((await copy()).sizeBytes, bytes.length)
})

test('a Storage that stops taking bytes in the middle is a timeout of Storage', async t => {
  const bytes = jpeg(12_000_000)
  const { copy, storage } = await scene(t, bytes, { timeouts: { answerMs: 800, callMs: 100 } })
  storage.before = request => {
    request.once('data', () => request.pause())
    return true
  }
  await assert.rejects(copy(), failsWith('storage_timeout', 'unattributed', 'storage'))
})

test('an empty file is whole when it was declared so, and only then', async t => {
  const { copy, meta, storage } = await scene(t, Buffer.alloc(0))
  const stored = await copy()
  assert.deepEqual([stored.sizeBytes, stored.verified], [0, true])
  assert.equal(storage.objects.get(KEY)?.bytes.length, 0)
  meta.facts = { mime_type: 'image/jpeg', file_size: 10 }
  await assert.rejects(copy(claimOf({ claimToken: 2 })), failsWith('integrity', 'retry'))
})

test('the size limit holds for what is declared, for what is announced and for what comes', async t => {
  const bytes = jpeg(50_000)
  const { copy, meta, storage } = await scene(t, bytes, { maxFileSize: 40_000 })
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  assert.equal(meta.asked.length, 1, 'not even downloaded')
  meta.facts = { mime_type: 'image/jpeg' }
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  meta.download = (_request, response) => {
    response.write(bytes.subarray(0, 100))
    response.end(bytes.subarray(100))
  }
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  assert.deepEqual(storage.asked, [])
})

test('the size limit holds in the stream', async t => {
  const bytes = jpeg(3_000_000)
  const { copy, meta, storage } = await scene(t, bytes, { maxFileSize: 1_000_000 })
  meta.facts = { mime_type: 'image/jpeg' }
  meta.download = (_request, response) => {
    response.write(bytes.subarray(0, 900_000))
    response.end(bytes.subarray(900_000))
  }
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  assert.equal(storage.objects.size, 0)
})

test('an error page in place of the file', async t => {
  const { copy, meta, storage } = await scene(t, jpeg(2000))
  const pages = ['<!DOCTYPE html><title>Sorry</title>', '{"error":{"message":"no"}}']
  const declared = [{ sha256: 'a'.repeat(64), file_size: 2000 }, { file_size: 2000 }, {}]
  for (const page of pages) {
    meta.download = (_request, response) => response.end(page)
    for (const facts of declared) {
      meta.facts = { mime_type: 'image/jpeg', ...facts }
      await assert.rejects(copy(), failsWith('error_page', 'unattributed', 'whatsapp'))
    }
  }
  assert.deepEqual(storage.asked, [])
})

test('a page is a file when its hash matches, when its type explains it, or when its size does', async t => {
  const page = Buffer.from('<!DOCTYPE html><title>A document</title>')
  const { copy, meta, storage } = await scene(t, page)
  meta.facts = { mime_type: 'image/jpeg', sha256: sha256(page), file_size: page.length }
  const byHash = await copy()
  assert.deepEqual(byHash.notes, [
    { event: 'type_differs', detail: { declared: 'image/jpeg', found: 'text/html' } },
  ])
  meta.facts = { mime_type: 'text/html' }
  const byType = await copy(claimOf({ claimToken: 2 }))
  assert.deepEqual(
    [byType.contentType, byType.notes],
    ['application/octet-stream', []],
    'and no browser runs it',
  )
  meta.facts = { mime_type: 'application/octet-stream', file_size: page.length }
  assert.equal((await copy(claimOf({ claimToken: 3 }))).verified, false)
  assert.equal(storage.objects.size, 3)
})

test("the webhook's hash counts where Graph names none, and another type than declared is noted", async t => {
  const bytes = Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(500)])
  const { copy, meta } = await scene(t, bytes)
  meta.facts = {}
  const stored = await copy(claimOf({ declaredSha256: sha256(bytes) }))
  assert.equal(stored.verified, true)
  assert.deepEqual(stored.notes, [
    { event: 'type_differs', detail: { declared: 'image/jpeg', found: 'application/pdf' } },
  ])
  await assert.rejects(copy(claimOf({ declaredSha256: '0'.repeat(64) })), failsWith('integrity', 'retry'))
})

test('a row that makes no safe key is refused before anything is asked', async t => {
  const { copy, meta, storage, transfer } = await scene(t, jpeg(10))
  const media = { url: `${meta.url}/media`, mimeType: null, sha256: null, size: null }
  await assert.rejects(
    transfer.copy(claimOf({ objectPrefix: '../x' }), media, patient()),
    failsWith('object_key_unsafe', 'fail'),
  )
  await assert.rejects(copy(claimOf({ bucket: '..' })), failsWith('object_key_unsafe', 'fail'))
  assert.deepEqual(storage.asked, [])
})

test('a download that is given up is hung up on', async t => {
  const { copy, meta, storage } = await scene(t, jpeg(2_000_000))
  meta.download = (_request, response) => {
    response.writeHead(200, { 'content-length': 5_000_000 })
    response.write(jpeg(1_000_000))
  }
  const socket = new Promise<Socket>(resolve => {
    const { handle } = meta
    meta.handle = (request, response) => {
      if (request.url?.startsWith('/media')) resolve(request.socket)
      handle(request, response)
    }
  })
  const closed = socket.then(open => new Promise(resolve => open.once('close', resolve)))
  await assert.rejects(copy(), failsWith('integrity', 'retry'))
  await closed
  assert.deepEqual(storage.asked, [])
})

test('a download that breaks while its first bytes are looked at', async t => {
  const { transfer } = await scene(t, jpeg(1))
  const body = new Readable({ read() {} })
  body.push(jpeg(600_000))
  body.once('pause', () => body.destroy(new Error('cut')))
  const whatsapp = {
    openDownload: async () => ({ body, length: null }),
    resolveMedia: () => assert.fail('nothing is resolved'),
    probe: () => assert.fail('nothing is probed'),
  }
  const parts = {
    config: { maxFileSize: 1e9 },
    timeouts: DEFAULT_TIMEOUTS,
    whatsapp,
    storage: transfer.storage,
    rooms: openRooms({ bytes: 1, most: 1 }),
    hasher: openHasher({ busy: () => false }),
  }
  const media = { url: '', mimeType: null, sha256: null, size: null }
  const failure = failsWith('whatsapp_unreachable', 'unattributed', 'whatsapp')
  await assert.rejects(copyMedia(parts, claimOf(), media, patient()), failure)
})
