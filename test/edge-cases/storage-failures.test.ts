import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startDaemon } from '../../src/daemon.ts'
import { createLog } from '../../src/log.ts'
import { readSettings } from '../../src/settings.ts'
import { daemonEnvironment } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { openScene, type Sent } from '../support/scene.ts'
import type { StorageFault } from '../support/storage-proxy.ts'

const scene = openScene(await takeProject())
const { database } = scene.project
const limit = { timeout: 30_000 }
const UPLOADS = /^POST \/object\/attachments\/\d/

/** As supabase/storage 1.11.2 answers, the status on the wire being nearly always 400. */
const answer = (code: string, statusCode: string, message: string, status = 400) => ({
  status,
  body: { statusCode, error: code, code, message },
})

const OUTAGES: readonly (readonly [name: string, code: string, fault: StorageFault])[] = [
  ['the bucket is missing', 'bucket_missing', answer('NoSuchBucket', '404', 'Bucket not found')],
  [
    'a policy refuses the write',
    'permission',
    {
      status: 400,
      body: {
        statusCode: '403',
        error: 'Unauthorized',
        message: 'new row violates row-level security policy',
      },
    },
  ],
  ['the quota is used up', 'quota', { status: 402, body: { message: 'exceeds the storage quota' } }],
  ['the key was revoked', 'credentials', answer('AccessDenied', '403', 'Invalid Compact JWS')],
  ['nobody answers', 'storage_unreachable', 'reset'],
]

for (const [name, code, fault] of OUTAGES) {
  test(`${name}: an outage, which uses up nobody's attempts and ends by itself`, limit, async () => {
    const proxy = await scene.storageProxy()
    const lift = proxy.fail(fault)
    const sent = await scene.files(3)
    await scene.deliver(...sent)
    const daemon = await scene.daemon({ SUPABASE_URL: proxy.url })
    const [opened] = await daemon.until(entry => entry.msg === 'circuit opened')
    assert.equal(opened?.dependency, 'storage')
    assert.equal(opened?.code, code)
    assert.match(String(opened?.advice), /\w{4}/, 'the operator is told what to do')
    await daemon.settled(3)
    for (const each of sent) {
      const row = await scene.row(each)
      assert.equal(row.upload_status, 'PENDING')
      assert.equal(row.upload_attempts, 0)
    }
    const tried = proxy.requests.filter(each => UPLOADS.test(each)).length
    // With the first of them also a probe that fails is awaited, for the others would only take longer.
    if (code === 'bucket_missing') await proxy.asked(/^GET \/bucket\/attachments$/)
    lift()
    await daemon.until(entry => entry.outcome === 'uploaded', 3)
    for (const each of sent) {
      await scene.uploaded(each)
      assert.deepEqual(await scene.events(each), ['received', 'uploaded'], 'an outage is not told row by row')
    }
    assert.deepEqual(await scene.circuitEvents(), ['circuit_opened', 'circuit_closed'])
    const uploads = proxy.requests.filter(each => UPLOADS.test(each)).length
    assert.equal(uploads - tried, sent.length, 'while it was open nothing was tried with a file')
  })
}

test('a bucket that is not there yet: carried when somebody creates it', limit, async () => {
  const bucket = `later-${process.pid}`
  const sent = await scene.file()
  await scene.deliver(sent)
  await database.query('update public.attachments set bucket = $1 where message_id = $2', [
    bucket,
    sent.message.id,
  ])
  const daemon = await scene.daemon({ STORAGE_BUCKET: bucket })
  const [opened] = await daemon.until(entry => entry.msg === 'circuit opened')
  assert.equal(opened?.code, 'bucket_missing')
  await createBucket(bucket)
  await daemon.until(entry => entry.outcome === 'uploaded')
  assert.equal((await scene.uploaded(sent)).bucket, bucket)
})

test(
  'a wrong key from the start: the daemon says so, touches nothing, and can be stopped',
  limit,
  async t => {
    const sent = await scene.file()
    await scene.deliver(sent)
    const before = await scene.row(sent)
    const folder = mkdtempSync(join(tmpdir(), 'mediaferry-wrong-key-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const environment = daemonEnvironment(scene.project, join(folder, 'state.sqlite'))
    const wrong = { ...environment, SUPABASE_SECRET_KEY: `sb_secret_${'x'.repeat(31)}` }
    const { promise: opened, resolve: tell } = Promise.withResolvers<Record<string, unknown>>()
    const write = (line: string) => {
      const entry = JSON.parse(line)
      if (entry.msg === 'circuit opened') tell(entry)
    }
    const stop = new AbortController()
    t.after(() => stop.abort())
    const starting = startDaemon(readSettings(wrong, ['supabase']), createLog('info', { write }), stop.signal)
    const { dependency, advice } = await opened
    assert.equal(dependency, 'database')
    assert.match(String(advice), /SUPABASE_SECRET_KEY/)
    assert.deepEqual(await scene.row(sent), before)
    stop.abort()
    assert.equal(await starting, null)
  },
)

test('not configured at all: every missing setting is named before anything starts', limit, () => {
  assert.throws(
    () => readSettings({}, ['supabase', 'token']),
    /SUPABASE_URL is missing.*SUPABASE_SECRET_KEY is missing.*WHATSAPP_ACCESS_TOKEN is missing/s,
  )
})

test('a row whose own bucket is gone stops nobody else, and ends FAILED with the reason', limit, async () => {
  const [lost, ...others] = await scene.files(6)
  assert.ok(lost !== undefined)
  await scene.deliver(lost, ...others)
  await database.query(
    `update public.attachments set bucket = 'gone', upload_attempts = max_attempts - 1 where message_id = $1`,
    [lost.message.id],
  )
  const daemon = await scene.daemon()
  await daemon.until(entry => entry.outcome === 'uploaded', others.length)
  await daemon.settled(6)
  const row = await scene.row(lost)
  assert.equal(row.upload_status, 'FAILED')
  assert.equal(row.error_code, 'bucket_missing')
  assert.deepEqual(await scene.circuitEvents(), [])
  for (const each of others) await scene.uploaded(each)
})

test('what Storage refuses for good fails at once, named, and the others are carried', limit, async () => {
  const proxy = await scene.storageProxy()
  const [large, odd, ...others] = await scene.files(4)
  assert.ok(large !== undefined && odd !== undefined)
  await scene.deliver(large, odd, ...others)
  const tooLarge = answer('EntityTooLarge', '413', 'The object exceeded the maximum allowed size')
  proxy.fail(tooLarge, { on: await uploadsOf(large) })
  const refused = answer('InvalidMimeType', '415', 'mime type image/jpeg is not supported')
  proxy.fail(refused, { on: await uploadsOf(odd) })
  const daemon = await scene.daemon({ SUPABASE_URL: proxy.url })
  await daemon.settled(4)
  const failed = await scene.notUploaded(large, { status: 'FAILED', code: 'storage_size_limit', attempts: 1 })
  assert.match(failed.error_message ?? '', /50 MB/)
  await scene.notUploaded(odd, { status: 'FAILED', code: 'storage_type_refused', attempts: 1 })
  for (const each of others) await scene.uploaded(each)
  assert.deepEqual(await scene.circuitEvents(), [])
})

test('one object that always gets a 500 uses up its own attempts and nobody else waits', limit, async () => {
  const proxy = await scene.storageProxy()
  const [poor, ...others] = await scene.files(4)
  assert.ok(poor !== undefined)
  await scene.deliver(poor, ...others)
  proxy.fail(answer('InternalError', '500', 'Internal Server Error', 500), { on: await uploadsOf(poor) })
  const daemon = await scene.daemon({ SUPABASE_URL: proxy.url })
  await daemon.settled(4)
  await scene.notUploaded(poor, { status: 'PENDING', code: 'storage_unavailable', attempts: 1 })
  await database.query('update public.attachments set upload_attempts = 4 where message_id = $1', [
    poor.message.id,
  ])
  await scene.makeDue(poor)
  await daemon.settled(5)
  await scene.notUploaded(poor, { status: 'FAILED', code: 'storage_unavailable', attempts: 5 })
  for (const each of others) await scene.uploaded(each)
  assert.deepEqual(await scene.circuitEvents(), [])
})

test(
  'the answer to an upload is lost: the object is found, whole, and nothing is sent twice',
  limit,
  async () => {
    const proxy = await scene.storageProxy()
    const sent = await scene.file()
    await scene.deliver(sent)
    proxy.fail('answer lost', { on: UPLOADS, times: 1 })
    const daemon = await scene.daemon({ SUPABASE_URL: proxy.url })
    await daemon.settled(1)
    const { object_key: key } = await scene.uploaded(sent)
    assert.deepEqual(await scene.objectsOf(sent), [key])
    assert.deepEqual(await scene.events(sent), ['received', 'answer_lost', 'uploaded'])
    assert.equal(proxy.requests.filter(each => UPLOADS.test(each)).length, 1)
  },
)

test(
  'an upload that is cut half way leaves nothing, counts once and goes whole the next time',
  limit,
  async () => {
    const proxy = await scene.storageProxy()
    const sent = await scene.file({ bytes: Buffer.alloc(1_000_000, 'half way') })
    await scene.deliver(sent)
    proxy.fail('cut', { on: UPLOADS, times: 1 })
    const daemon = await scene.daemon({ SUPABASE_URL: proxy.url })
    await daemon.settled(1)
    await scene.notUploaded(sent, { status: 'PENDING', code: 'storage_unreachable', attempts: 1 })
    await scene.makeDue(sent)
    await daemon.settled(2)
    await scene.uploaded(sent, 2)
  },
)

test('other bytes under the key of a claim never become its object', limit, async () => {
  const sent = await scene.file()
  await scene.deliver(sent)
  const { id, object_prefix: prefix } = await scene.row(sent)
  const { url, secretKey } = scene.project
  const planted = await fetch(`${url}/storage/v1/object/attachments/${prefix}/${id}-1.jpg`, {
    method: 'POST',
    headers: { apikey: secretKey, 'content-type': 'image/jpeg' },
    body: 'not the file',
  })
  assert.equal(planted.status, 200)
  const daemon = await scene.daemon()
  await daemon.settled(1)
  await scene.notUploaded(sent, { status: 'PENDING', code: 'storage_key_taken', attempts: 1 })
  await scene.makeDue(sent)
  await daemon.settled(2)
  assert.match((await scene.uploaded(sent, 2)).object_key, /-2\.jpg$/)
})

async function uploadsOf(sent: Sent): Promise<RegExp> {
  const { id } = await scene.row(sent)
  return new RegExp(`^POST /object/attachments/\\d+/${id}-`)
}

async function createBucket(name: string): Promise<void> {
  const { url, secretKey } = scene.project
  const created = await fetch(`${url}/storage/v1/bucket`, {
    method: 'POST',
    headers: { apikey: secretKey, 'content-type': 'application/json' },
    body: JSON.stringify({ id: name, name, public: false }),
  })
  assert.equal(created.status, 200)
}
