import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { createClient } from '@supabase/supabase-js'
import { WebSocket } from 'ws'
import { openChildRegistry } from '../../src/local/processes.ts'
import { type LocalProject, startProject } from '../../src/local/project.ts'
import { PHONE_NUMBER_ID } from '../../src/local/whatsapp/index.ts'
import { newMessageId } from '../../supabase/functions/whatsapp-webhook/compose.ts'
import { freshDatabase } from '../support/database.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mediaferry-project-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Names and pids of the children that are written down. */
function children(): Map<string, number> {
  const names = readdirSync(join(folder, 'processes'))
  return new Map(names.map(name => [name.split('-')[0] ?? '', Number(/(\d+)\.json$/.exec(name)?.[1])]))
}

async function isUnlocked(): Promise<true> {
  const registry = await openChildRegistry(folder)
  registry.close()
  return true
}

suite('a local project', () => {
  test('has all parts behind one port, says when one breaks, and stops whole', async t => {
    const database = await freshDatabase(t)
    const taken = createServer().listen(0, '127.0.0.1')
    t.after(() => taken.close())
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const project = await startProject({ folder, databaseUrl: database.url, port })
    t.after(() => project.stop())

    assert.notEqual(new URL(project.url).port, String(port), 'a taken port is replaced')
    await deliverOne(project)
    const rows = await database.rows('select upload_status, bucket from public.attachments')
    assert.deepEqual(rows, [{ upload_status: 'PENDING', bucket: 'attachments' }])
    await assertStorage(project)
    await assert.rejects(startProject({ folder, databaseUrl: database.url }), /Another process is using/)
    const socket = new WebSocket(
      `${project.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=1.0.0&apikey=${project.keys.secret}`,
    )
    await once(socket, 'open')

    const started = children()
    assert.deepEqual([...started.keys()].sort(), ['deno', 'lite'])
    process.kill(started.get('lite') ?? 0, 'SIGKILL')
    assert.equal(await project.broken, 'lite ended (SIGKILL)')
    assert.match(readFileSync(join(folder, 'project.log'), 'utf8'), /"last_words":.*lite ended/)
    await Promise.all([project.stop(), project.stop()])
    await project.stop()
    assert.equal(children().size, 0)
    assert.throws(() => process.kill(started.get('deno') ?? 0, 0), { code: 'ESRCH' })
    await assert.rejects(fetch(project.url))
    assert.ok(await isUnlocked())
  })

  test('that cannot start whole stops what had started', async t => {
    const database = await freshDatabase(t)
    await database.rows('drop publication supabase_realtime')
    const steps: string[] = []
    const start = startProject({ folder, databaseUrl: database.url, onStep: step => steps.push(step) })
    await assert.rejects(start, { name: 'UserError', message: /no publication supabase_realtime/ })
    assert.deepEqual(steps, ['Data API and Storage', 'Realtime'])
    assert.equal(children().size, 0)
    assert.ok(await isUnlocked())
  })

  test('that is given up ends what runs by then, at once', async t => {
    const database = await freshDatabase(t)
    const giveUp = new AbortController()
    const start = startProject({ folder, databaseUrl: database.url, signal: giveUp.signal })
    const started = await firstChild()
    giveUp.abort()
    await assert.rejects(start)
    assert.throws(() => process.kill(started, 0), { code: 'ESRCH' })
    assert.equal(children().size, 0)
    assert.ok(await isUnlocked())
  })

  test('that is given up before it begins starts nothing', async () => {
    const steps: string[] = []
    const start = startProject({
      folder,
      databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
      signal: AbortSignal.abort(),
      onStep: step => steps.push(step),
    })
    await assert.rejects(start, { name: 'AbortError' })
    assert.deepEqual(steps, [])
  })

  test('that begins fresh keeps its keys and no object', async () => {
    mkdirSync(join(folder, 'lite'))
    writeFileSync(join(folder, 'lite', 'object'), 'of an earlier run')
    writeFileSync(join(folder, 'keys.json'), '{}')
    const start = startProject({
      folder,
      databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
      fresh: true,
      onStep: () => {
        throw new Error('far enough')
      },
    })
    await assert.rejects(start, /far enough/)
    assert.equal(existsSync(join(folder, 'lite', 'object')), false)
    assert.equal(readFileSync(join(folder, 'keys.json'), 'utf8'), '{}')
  })
})

async function deliverOne(project: LocalProject): Promise<void> {
  const message = {
    id: newMessageId(),
    from: '15550001234',
    timestamp: Math.floor(Date.now() / 1000),
    media: { kind: 'image' as const, id: '42', mimeType: 'image/jpeg', sha256: 'A'.repeat(43) },
  }
  const answer = await project.whatsapp.send({
    url: project.webhookUrl,
    phoneNumberId: PHONE_NUMBER_ID,
    messages: [message],
  })
  assert.equal(answer.status, 200)
}

/** By supabase-js, which wants the hosted Storage's answers. */
async function assertStorage(project: LocalProject): Promise<void> {
  const { storage } = createClient(project.url, project.keys.secret)
  const bucket = storage.from('attachments')
  const uploaded = await bucket.upload('unassigned/1', 'the bytes', { contentType: 'text/plain' })
  assert.equal(uploaded.error, null)
  const signed = await bucket.createSignedUrl('unassigned/1', 60)
  assert.ok(signed.data)
  assert.ok(
    signed.data.signedUrl.startsWith(`${project.url}/storage/v1/object/sign/attachments/unassigned/1?`),
  )
  assert.equal(await (await fetch(signed.data.signedUrl)).text(), 'the bytes')
  const many = await bucket.createSignedUrls(['unassigned/1', 'unassigned/2'], 60)
  assert.equal(many.error, null)
  assert.deepEqual(
    many.data?.map(({ path, error, signedUrl }) => [
      path,
      error === null,
      signedUrl?.startsWith('http') === true,
    ]),
    [
      ['unassigned/1', true, true],
      ['unassigned/2', false, false],
    ],
  )
}

async function firstChild(): Promise<number> {
  for (;;) {
    const pid = existsSync(join(folder, 'processes')) ? [...children().values()][0] : undefined
    if (pid !== undefined) return pid
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
