import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { afterEach, test } from 'node:test'
import { createClient } from '@supabase/supabase-js'
import type { MediaKind } from '../src/attachment.ts'
import { startTestDaemon, type TestDaemon } from './support/daemon.ts'
import { takeProject } from './support/project.ts'

const project = await takeProject()
const running: TestDaemon[] = []

async function daemon(overrides: Readonly<Record<string, string>> = {}): Promise<TestDaemon> {
  const started = await startTestDaemon(project, overrides)
  running.push(started)
  return started
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.stop()))
  await project.control('DELETE', 'faults')
})

async function row(messageId: string) {
  const { rows } = await project.database.query('select * from public.attachments where message_id = $1', [
    messageId,
  ])
  assert.equal(rows.length, 1)
  return rows[0]
}

async function eventsOf(id: string): Promise<string[]> {
  const { rows } = await project.database.query(
    'select event from public.system_events where attachment_id = $1 order by id',
    [id],
  )
  return rows.map(each => each.event)
}

async function sha256OfObject(key: string): Promise<string> {
  const storage = createClient(project.url, project.secretKey).storage.from('attachments')
  const { data, error } = await storage.createSignedUrl(key, 60)
  assert.equal(error, null)
  const body = await (await fetch(data?.signedUrl ?? '')).arrayBuffer()
  return createHash('sha256').update(new Uint8Array(body)).digest('hex')
}

const KINDS: readonly MediaKind[] = ['image', 'video', 'audio', 'document', 'sticker']

test('one file of each kind goes from the webhook to its object, woken by Realtime', async () => {
  const carrier = await daemon()
  await carrier.until(entry => entry.msg === 'Realtime is heard')
  const messages = await Promise.all(KINDS.map(kind => project.message(kind)))
  await project.deliver(...messages)
  await carrier.settled(KINDS.length)
  for (const message of messages) {
    const settled = await row(message.id)
    assert.equal(settled.upload_status, 'UPLOADED')
    assert.equal(settled.upload_attempts, 1)
    assert.equal(settled.verified, true)
    assert.equal(settled.sha256, Buffer.from(message.media.sha256, 'base64').toString('hex'))
    assert.equal(settled.leased_by, null)
    assert.match(settled.object_key, new RegExp(`^${settled.lead_id}/${settled.id}-1\\.[a-z0-9]+$`))
    assert.equal(await sha256OfObject(settled.object_key), settled.sha256)
    assert.deepEqual(await eventsOf(settled.id), ['received', 'uploaded'])
  }
})

test('what came while no daemon ran is carried at the start of the next', async () => {
  const message = await project.message('image')
  await project.deliver(message)
  const carrier = await daemon()
  await carrier.settled(1)
  assert.equal((await row(message.id)).upload_status, 'UPLOADED')
})

test('bytes that are not those declared are never UPLOADED, and tried again when due', async () => {
  const message = await project.message('image')
  await project.control('POST', 'faults', {
    on: 'media',
    fault: 'wrong_hash',
    mediaId: message.media.id,
    times: 1,
  })
  const carrier = await daemon()
  await project.deliver(message)
  await carrier.settled(1)
  const failed = await row(message.id)
  assert.equal(failed.upload_status, 'PENDING')
  assert.equal(failed.upload_attempts, 1)
  assert.equal(failed.error_code, 'integrity')
  const delay = failed.next_attempt_at.getTime() - failed.updated_at.getTime()
  assert.equal(delay, 5 * 60_000, 'RETRY_DELAY is five minutes')

  await project.database.query('update public.attachments set next_attempt_at = now() where id = $1', [
    failed.id,
  ])
  await carrier.stop()
  const second = await daemon()
  await second.settled(1)
  const uploaded = await row(message.id)
  assert.equal(uploaded.upload_status, 'UPLOADED')
  assert.equal(uploaded.upload_attempts, 2)
  assert.equal(uploaded.error_code, null)
  assert.deepEqual(await eventsOf(uploaded.id), ['received', 'retry', 'uploaded'])
})

test('MAX_ATTEMPTS failures of its own end a row FAILED with its reason', async () => {
  const message = await project.message('image')
  await project.control('POST', 'faults', { on: 'media', fault: 'wrong_hash', mediaId: message.media.id })
  await project.deliver(message)
  await project.database.query(
    'update public.attachments set upload_attempts = max_attempts - 1 where message_id = $1',
    [message.id],
  )
  const carrier = await daemon()
  await carrier.settled(1)
  const failed = await row(message.id)
  assert.equal(failed.upload_status, 'FAILED')
  assert.equal(failed.upload_attempts, failed.max_attempts)
  assert.equal(failed.error_code, 'integrity')
  assert.equal(failed.object_key, null)
})

test('a stop finishes what is under way and leaves nothing UPLOADING', async () => {
  const messages = await Promise.all(Array.from({ length: 30 }, () => project.message('image')))
  await project.deliver(...messages)
  const carrier = await daemon({ CONCURRENCY: '4' })
  await carrier.settled(1)
  await carrier.stop()
  const { rows } = await project.database.query(
    'select upload_status, upload_attempts from public.attachments where message_id = any ($1)',
    [messages.map(message => message.id)],
  )
  assert.equal(rows.length, messages.length)
  for (const each of rows) {
    assert.match(each.upload_status, /^(PENDING|UPLOADED)$/)
    assert.equal(each.upload_attempts, each.upload_status === 'UPLOADED' ? 1 : 0)
  }
  const next = await daemon()
  await next.settled(rows.filter(each => each.upload_status === 'PENDING').length)
})

test('two daemons share the work and fetch nothing twice', async () => {
  const messages = await Promise.all(Array.from({ length: 60 }, () => project.message('sticker')))
  const both = await Promise.all([daemon({ CONCURRENCY: '3' }), daemon({ CONCURRENCY: '3' })])
  await project.deliver(...messages)
  const settledBy = () => both.map(each => each.entries.filter(entry => entry.msg === 'settled').length)
  await Promise.race(
    both.map(each => each.until(() => settledBy().reduce((sum, n) => sum + n, 0) === messages.length)),
  )
  const { rows } = await project.database.query(
    'select upload_status, claim_token from public.attachments where message_id = any ($1)',
    [messages.map(message => message.id)],
  )
  assert.equal(rows.length, messages.length)
  assert.ok(rows.every(each => each.upload_status === 'UPLOADED' && each.claim_token === '1'))
})
