import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { startTestDaemon, type TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { arrange, assertCarried, eventsOf, hashOf, objectsOf, rowOf } from '../support/rows.ts'

const project = await takeProject()
const running: TestDaemon[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.stop()))
  await project.database.query('delete from public.attachments')
})

async function carried(count: number): Promise<void> {
  const carrier = await startTestDaemon(project)
  running.push(carrier)
  await carrier.settled(count)
}

/** Somebody else's object under that key. */
async function put(key: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> {
  const answer = await fetch(`${project.url}/storage/v1/object/attachments/${key}`, {
    method: 'POST',
    headers: { apikey: project.secretKey, 'content-type': 'image/jpeg' },
    body,
  })
  assert.equal(answer.status, 200, await answer.text())
}

const document = (mimeType: string, fileName?: string) =>
  project.message('document', {
    media: { seed: `${mimeType} ${fileName}`, size: 2000, mimeType },
    ...(fileName === undefined ? {} : { fields: { fileName } }),
  })

test('format: lead, attachment, claim token and the extension of the declared type', async () => {
  const expected: readonly (readonly [mimeType: string, extension: string])[] = [
    ['image/jpeg', 'jpg'],
    ['image/png', 'png'],
    ['audio/ogg; codecs=opus', 'ogg'],
    ['application/pdf', 'pdf'],
    ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
    ['application/x-unheard-of', 'bin'],
  ]
  const messages = await Promise.all(expected.map(([mimeType]) => document(mimeType)))
  await project.deliver(...messages)
  await carried(messages.length)
  for (const [at, message] of messages.entries()) {
    const row = await assertCarried(project, message)
    assert.equal(row.object_key, `${row.lead_id}/${row.id}-1.${expected[at]?.[1]}`)
  }
})

test('hostile file names stay in the row and never reach the key', async () => {
  const names = [
    '../../../etc/passwd',
    'C:\\Windows\\system32\\x.exe',
    'a#b?c=%2e%2e%2f.pdf',
    '.probe/x',
    'line\nbreak\t"quote".pdf',
    `${'long'.repeat(200)}.pdf`,
    'Größe 👩‍👩‍👧.pdf',
    '..',
  ]
  const messages = await Promise.all(names.map(name => document('application/pdf', name)))
  await project.deliver(...messages)
  await carried(messages.length)
  for (const [at, message] of messages.entries()) {
    const row = await assertCarried(project, message)
    assert.equal(row.file_name, names[at])
    assert.equal(row.object_key, `${row.lead_id}/${row.id}-1.pdf`)
    assert.deepEqual(await objectsOf(project, row), [row.object_key])
  }
})

test('hostile types give a plain extension, and nothing that a browser would run', async () => {
  const types = [
    'image/../../x',
    'image/svg+xml',
    'text/html',
    'application/javascript',
    'image/x#y',
    'image/%2e%2e',
    'image/jpg.exe',
    `image/${'x'.repeat(200)}`,
    '__proto__/constructor',
  ]
  const messages = await Promise.all(types.map(type => document(type)))
  await project.deliver(...messages)
  await carried(messages.length)
  for (const message of messages) {
    const row = await assertCarried(project, message)
    assert.equal(row.object_key, `${row.lead_id}/${row.id}-1.bin`, message.media.mimeType)
    assert.doesNotMatch(row.content_type ?? '', /html|svg|script/)
  }
})

test('collision: the key is taken by the very bytes, and the row is settled with them', async () => {
  const message = await project.message('sticker')
  await project.deliver(message)
  const { id, object_prefix: prefix } = await rowOf(project, message.id)
  const source = await project.message('sticker')
  await project.deliver(source)
  await arrange(project, message.id, `next_attempt_at = now() + interval '1 hour'`)
  await carried(1)
  const { object_key: key } = await assertCarried(project, source)
  const bytes = await fetch(`${project.url}/storage/v1/object/attachments/${key}`, {
    headers: { apikey: project.secretKey },
  })
  await put(`${prefix}/${id}-1.webp`, new Uint8Array(await bytes.arrayBuffer()))
  await arrange(project, message.id, 'next_attempt_at = now()')
  await carried(1)
  const row = await assertCarried(project, message)
  assert.equal(row.object_key, `${prefix}/${id}-1.webp`)
  assert.deepEqual(await eventsOf(project, id), ['received', 'object_existed', 'uploaded'])
})

test('collision: the key is taken by other bytes, which never become the file', async () => {
  const message = await project.message('image')
  await project.deliver(message)
  const { id, object_prefix: prefix } = await rowOf(project, message.id)
  await put(`${prefix}/${id}-1.jpg`, 'not this')
  await carried(1)
  const failed = await rowOf(project, message.id)
  assert.deepEqual(
    [failed.upload_status, failed.upload_attempts, failed.error_code, failed.object_key],
    ['PENDING', 1, 'storage_key_taken', null],
  )
  await arrange(project, message.id, 'next_attempt_at = now()')
  await carried(1)
  const row = await assertCarried(project, message, { attempts: 2 })
  assert.equal(row.object_key, `${prefix}/${id}-2.jpg`)
  assert.deepEqual(await eventsOf(project, id), ['received', 'retry', 'uploaded'])
})

test("a neighbour's object whose key begins alike is neither taken nor removed", async t => {
  const message = await project.message('image')
  await project.deliver(message)
  const { id, object_prefix: prefix } = await rowOf(project, message.id)
  const neighbour = `${prefix}/${id}1-1.jpg`
  await put(neighbour, 'a neighbour')
  await put(`${prefix}/${id}-1.jpg`, 'left by an earlier claim')
  const before = await hashOf(project, neighbour)
  await arrange(project, message.id, 'claim_token = 1')
  const proxy = await startProxy(project.url)
  t.after(() => proxy.stop())
  const removal = proxy.holdAnswer('DELETE /storage/v1/object/attachments')
  const carrier = await startTestDaemon(project, { SUPABASE_URL: proxy.url })
  running.push(carrier)
  await carrier.settled(1)
  await removal.arrived
  const row = await assertCarried(project, message)
  assert.equal(row.object_key, `${prefix}/${id}-2.jpg`)
  assert.equal(await hashOf(project, neighbour), before)
  await assert.rejects(hashOf(project, `${prefix}/${id}-1.jpg`), /Storage has no/)
})
