import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { daemonEnvironment, type Overrides } from './support/daemon.ts'
import { ECOSYSTEM, pm2Home } from './support/pm2.ts'
import { takeProject } from './support/project.ts'
import { startProxy } from './support/proxy.ts'
import { assertCarried, rowOf } from './support/rows.ts'
import { eventually } from './support/scene.ts'

const LIMIT = { timeout: 60_000 }
const CLAIM = 'POST /rest/v1/rpc/claim_attachments'

const project = await takeProject()
const proxy = await startProxy(project.url)
const states = mkdtempSync(join(tmpdir(), 'mediaferry-pm2-states-'))
// PM2 looks every half minute whether a process has grown too large; here so often that no peak escapes it.
const pm2 = pm2Home({ PM2_WORKER_INTERVAL: '100' })
after(async () => {
  await pm2.stop()
  await proxy.stop()
  rmSync(states, { recursive: true, force: true })
})
afterEach(async () => {
  proxy.passAll()
  await project.control('DELETE', 'faults')
})

const settings = (overrides: Overrides = {}): Overrides =>
  daemonEnvironment(project, join(states, 'state.sqlite'), {
    SUPABASE_URL: proxy.url,
    INSTANCES: '1',
    CONCURRENCY: '4',
    ...overrides,
  })

/** PM2 writes a line down a moment after the daemon has said it. */
const logged = (name: string, message: string) => pm2.logOf(name).filter(({ msg }) => msg === message)

/** Files that take a second each, more than there are lanes, and the daemon in the middle of them. */
async function underLoad(count: number) {
  await project.control('POST', 'faults', { on: 'media', fault: 'slow', bytesPerSecond: 100_000 })
  const messages = await Promise.all(
    Array.from({ length: count }, (_, at) =>
      project.message('document', {
        media: { seed: `load ${count} ${at}`, size: 100_000, mimeType: 'application/pdf' },
      }),
    ),
  )
  const uploading = proxy.passed('POST /storage/v1/object/attachments/', 10_000)
  await project.deliver(...messages)
  await uploading
  return messages
}

test('`pm2 start` comes back when the daemon works, and not before', LIMIT, async () => {
  const recovered = proxy.holdRequest('POST /rest/v1/rpc/beat_canary')
  let back = false
  const starting = pm2.run(['start', ECOSYSTEM], settings()).then(() => {
    back = true
  })
  await recovered.arrived
  assert.equal((await pm2.app('mediaferry')).status, 'launching')
  assert.equal(back, false)
  recovered.release()
  await starting
  assert.equal((await pm2.app('mediaferry')).status, 'online')
  await eventually(async () => assert.equal(logged('mediaferry', 'ready').length, 1))
})

test('`pm2 reload` under load: stopped, started, nothing lost and no attempt used up', LIMIT, async () => {
  const before = await pm2.app('mediaferry')
  const messages = await underLoad(10)
  await pm2.run(['reload', ECOSYSTEM], settings({ CONCURRENCY: '8' }))
  const now = await pm2.app('mediaferry')
  assert.notEqual(now.pid, before.pid)
  await eventually(async () =>
    assert.equal(logged('mediaferry', 'stopped').length, 1, 'the first has come to its end by itself'),
  )
  await eventually(async () =>
    assert.equal(logged('mediaferry', 'ready').at(-1)?.concurrency, 8, 'the settings are read anew'),
  )
  await eventually(async () => {
    for (const message of messages) await assertCarried(project, message)
  })
})

test('killed, it is back at once and takes up what it was at', LIMIT, async () => {
  const before = await pm2.app('mediaferry')
  const messages = await underLoad(8)
  process.kill(before.pid, 'SIGKILL')
  await eventually(async () => {
    for (const { id } of messages) assert.equal((await rowOf(project, id)).upload_status, 'UPLOADED')
  })
  let lost = 0
  for (const message of messages) {
    const { lost_leases: lostLeases } = await rowOf(project, message.id)
    await assertCarried(project, message, { attempts: 1, lostLeases })
    lost += lostLeases
  }
  assert.ok(lost > 0, 'it was killed with claims in its hands')
  const now = await pm2.app('mediaferry')
  assert.deepEqual([now.status, now.restarts], ['online', before.restarts + 1])
})

test('a document of 100 MB is far below the memory limit', LIMIT, async () => {
  const before = await pm2.app('mediaferry')
  const message = await project.message('document', {
    media: { seed: 'large', size: 100 * 2 ** 20, mimeType: 'application/pdf' },
  })
  await project.deliver(message)
  await eventually(async () => assert.equal((await rowOf(project, message.id)).upload_status, 'UPLOADED'))
  const now = await pm2.app('mediaferry')
  assert.deepEqual([now.pid, now.restarts], [before.pid, before.restarts])
})

test('`pm2 stop` drains: no row is left UPLOADING, none has lost an attempt', LIMIT, async () => {
  const messages = await underLoad(30)
  await pm2.run(['stop', 'mediaferry'])
  assert.equal((await pm2.app('mediaferry')).status, 'stopped')
  const statuses = new Map<string, number>()
  for (const { id } of messages) {
    const row = await rowOf(project, id)
    assert.equal(row.upload_attempts, row.upload_status === 'UPLOADED' ? 1 : 0)
    assert.equal(row.lost_leases, 0)
    statuses.set(row.upload_status, (statuses.get(row.upload_status) ?? 0) + 1)
  }
  assert.deepEqual([...statuses.keys()].sort(), ['PENDING', 'UPLOADED'])
  await eventually(async () => assert.equal(logged('mediaferry', 'stopped').length, 2))
})

test('three instances, each with a state file of its own, share the work', LIMIT, async () => {
  const waiting = await project.database.query(
    `select from public.attachments where upload_status = 'PENDING'`,
  )
  assert.ok((waiting.rowCount ?? 0) > 0, 'what was given back waits')
  const messages = await Promise.all(Array.from({ length: 30 }, () => project.message('image')))
  await project.deliver(...messages)
  const claim = proxy.holdRequest(CLAIM)
  const starting = pm2.run(['start', ECOSYSTEM], settings({ INSTANCES: '3' }))
  // Whoever asks first waits for the others, or there would be nothing left for them.
  await claim.arrived
  await eventually(async () => assert.equal(logged('mediaferry-1', 'settled').length > 0, true))
  claim.release()
  await starting
  await eventually(async () => {
    const { rowCount } = await project.database.query(
      `select from public.attachments where upload_status <> 'UPLOADED'`,
    )
    assert.equal(rowCount, 0)
  })
  const names = ['mediaferry', 'mediaferry-1', 'mediaferry-2']
  const apps = await pm2.apps()
  assert.deepEqual(
    apps.map(({ name, status }) => `${name} ${status}`).sort(),
    names.map(name => `${name} online`),
  )
  await eventually(async () => {
    const workers = names.flatMap(name =>
      logged(name, 'ready')
        .slice(-1)
        .map(({ worker }) => worker),
    )
    assert.equal(new Set(workers).size, 3)
  })
  assert.deepEqual(
    readdirSync(states)
      .filter(name => name.endsWith('.sqlite'))
      .sort(),
    ['state-1.sqlite', 'state-2.sqlite', 'state.sqlite'],
  )
  for (const message of messages) await assertCarried(project, message)
})
