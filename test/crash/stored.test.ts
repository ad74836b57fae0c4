import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { startTestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { arrange, assertCarried, eventsOf, fetchesOf, objectsOf, rowOf } from '../support/rows.ts'
import { type DaemonHome, daemonHome } from './daemon-process.ts'

const LIMIT = { timeout: 60_000 }
const SETTLE = 'POST /rest/v1/rpc/settle_attachments'
const UPLOAD = 'POST /storage/v1/object/attachments/'
const ONCE = { resolved: 1, downloaded: 1 }

const project = await takeProject()
const proxy = await startProxy(project.url)
const behindProxy = { SUPABASE_URL: proxy.url }
const homes: DaemonHome[] = []
after(() => proxy.stop())
afterEach(async () => {
  proxy.passAll()
  await Promise.all(homes.splice(0).map(home => home.stop()))
})

function home(): DaemonHome {
  const made = daemonHome(project)
  homes.push(made)
  return made
}

test(
  'killed before its settle arrives, it settles at its next start and fetches nothing again',
  LIMIT,
  async () => {
    const place = home()
    const message = await project.message('image')
    await project.deliver(message)
    const settle = proxy.holdRequest(SETTLE)
    const first = await place.start(behindProxy)
    await settle.arrived
    await first.kill()
    settle.drop()
    const before = await rowOf(project, message.id)
    assert.equal(before.upload_status, 'UPLOADING')
    assert.equal((await objectsOf(project, before)).length, 1)

    const second = await place.start(behindProxy)
    await second.until(
      entry => entry.msg === 'settled what was uploaded before' && entry.answer === 'applied',
    )
    const row = await assertCarried(project, message, { attempts: 1, lostLeases: 1 })
    assert.equal(row.claim_token, '1', 'nobody claimed it again')
    assert.deepEqual(await eventsOf(project, row.id), ['received', 'lease_lost', 'uploaded'])
    assert.deepEqual(await fetchesOf(project, message.media.id), ONCE)
  },
)

test('killed before it hears that it has settled, it asks again and nothing changes', LIMIT, async () => {
  const place = home()
  const message = await project.message('image')
  await project.deliver(message)
  const settle = proxy.holdAnswer(SETTLE)
  const first = await place.start(behindProxy)
  await settle.arrived
  await first.kill()
  settle.drop()
  const before = await rowOf(project, message.id)
  assert.equal(before.upload_status, 'UPLOADED')

  const second = await place.start(behindProxy)
  await second.until(entry => entry.msg === 'settled what was uploaded before' && entry.answer === 'already')
  assert.deepEqual(await assertCarried(project, message), before)
  assert.deepEqual(await eventsOf(project, before.id), ['received', 'uploaded'])
  assert.deepEqual(await fetchesOf(project, message.media.id), ONCE)
})

test(
  "killed between Storage's answer and its state file, it finds the object and settles with it",
  LIMIT,
  async () => {
    const place = home()
    const message = await project.message('image')
    await project.deliver(message)
    const upload = proxy.holdAnswer(UPLOAD)
    const first = await place.start(behindProxy)
    await upload.arrived
    await first.kill()
    upload.drop()
    const before = await rowOf(project, message.id)
    const [left] = await objectsOf(project, before)
    assert.ok(left !== undefined)

    const second = await place.start(behindProxy)
    await second.settled(1)
    const row = await assertCarried(project, message, { attempts: 1, lostLeases: 1 })
    assert.deepEqual(await eventsOf(project, row.id), ['received', 'lease_lost', 'found_stored', 'uploaded'])
    assert.deepEqual(await objectsOf(project, row), [row.object_key], 'moved, not copied')
    assert.deepEqual(await fetchesOf(project, message.media.id), ONCE)
  },
)

test(
  'killed before its settle arrives, and another daemon has settled when it starts again',
  LIMIT,
  async t => {
    const place = home()
    const message = await project.message('image')
    await project.deliver(message)
    const settle = proxy.holdRequest(SETTLE)
    const first = await place.start(behindProxy)
    await settle.arrived
    await first.kill()
    settle.drop()
    await arrange(project, message.id, `leased_until = now() - interval '1 second'`)
    const other = await startTestDaemon(project)
    t.after(() => other.stop())
    await other.settled(1)
    const before = await assertCarried(project, message, { attempts: 1, lostLeases: 1 })
    assert.equal(before.claim_token, '2')

    const second = await place.start(behindProxy)
    await second.until(entry => entry.msg === 'settled what was uploaded before' && entry.answer === 'lost')
    const row = await assertCarried(project, message, { attempts: 1, lostLeases: 1 })
    assert.deepEqual(row, before)
    assert.deepEqual(await objectsOf(project, row), [row.object_key])
    assert.deepEqual(await fetchesOf(project, message.media.id), ONCE)
  },
)

test('a daemon that is killed while it settles a batch loses none of it', LIMIT, async () => {
  const place = home()
  const messages = await Promise.all(Array.from({ length: 20 }, () => project.message('sticker')))
  await project.deliver(...messages)
  const settle = proxy.holdRequest(SETTLE)
  const first = await place.start(behindProxy)
  await settle.arrived
  await first.kill()
  settle.drop()
  const stored = new Set<string>()
  for (const { id } of messages) {
    if ((await objectsOf(project, await rowOf(project, id))).length > 0) stored.add(id)
  }
  assert.ok(stored.size > 0)
  const second = await place.start(behindProxy)
  const done = (entry: Readonly<Record<string, unknown>>) =>
    entry.msg === 'settled' || entry.msg === 'settled what was uploaded before'
  await second.until(done, messages.length)
  for (const message of messages) {
    const { lost_leases: lost } = await rowOf(project, message.id)
    const row = await assertCarried(project, message, { attempts: 1, lostLeases: Math.min(lost, 1) })
    if (!stored.has(message.id)) continue
    assert.deepEqual(await objectsOf(project, row), [row.object_key])
    assert.deepEqual(await fetchesOf(project, message.media.id), ONCE)
  }
})
