import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { jpeg, openScene } from '../support/scene.ts'
import { passForUndici } from '../support/undici-clock.ts'

const scene = openScene(await takeProject())
const { project } = scene
const limit = { timeout: 30_000 }
const LARGE = 3 * 2 ** 20

const OUTAGES = [
  { name: 'Graph refuses connections', code: 'whatsapp_unreachable', begin: refuse('graph'), end: accept },
  {
    name: 'the media host refuses connections',
    code: 'whatsapp_unreachable',
    begin: refuse('media'),
    end: accept,
  },
  {
    name: 'Graph answers everything with a 503 page',
    code: 'whatsapp_unavailable',
    begin: () => scene.fault({ on: 'graph', fault: 'status', status: 503 }),
    end: () => project.control('DELETE', 'faults'),
  },
  {
    name: 'the token is revoked',
    code: 'token_rejected',
    begin: () => project.control('POST', 'token', { value: 'another' }),
    end: () => project.control('POST', 'token', { value: project.accessToken }),
  },
]

for (const { name, code, begin, end } of OUTAGES) {
  test(`${name}: an outage, which uses up nobody's attempts and ends by itself`, limit, async () => {
    const sent = await scene.files(5)
    await scene.deliver(...sent)
    await begin()
    const daemon = await scene.daemon()
    const [opened] = await daemon.until(entry => entry.msg === 'circuit opened')
    assert.equal(opened?.dependency, 'whatsapp')
    assert.equal(opened?.code, code)
    await daemon.settled(sent.length)
    for (const each of sent) {
      const row = await scene.row(each)
      assert.equal(row.upload_status, 'PENDING')
      assert.equal(row.upload_attempts, 0)
    }
    await end()
    await daemon.until(entry => entry.outcome === 'uploaded', sent.length)
    for (const each of sent) await scene.uploaded(each)
    assert.deepEqual(await scene.circuitEvents(), ['circuit_opened', 'circuit_closed'])
  })
}

const MEDIA_HOST_503 = { on: 'media', fault: 'status', status: 503 } as const

test(
  'the media host answers everything with 503, after it has worked: an outage, as long as it lasts',
  limit,
  async () => {
    const [first, ...sent] = await scene.files(5)
    assert.ok(first !== undefined)
    await scene.deliver(first)
    const daemon = await scene.daemon()
    await daemon.settled(1)
    await scene.fault(MEDIA_HOST_503)
    await scene.deliver(...sent)
    const [opened] = await daemon.until(entry => entry.msg === 'circuit opened')
    assert.deepEqual([opened?.dependency, opened?.code], ['whatsapp', 'whatsapp_unavailable'])
    for (const each of sent) assert.equal((await scene.row(each)).upload_attempts, 0)
    await project.control('DELETE', 'faults')
    await daemon.until(entry => entry.outcome === 'uploaded', 5)
    for (const each of sent) await scene.uploaded(each)
    assert.deepEqual(await scene.circuitEvents(), ['circuit_opened', 'circuit_closed'])
  },
)

test(
  'a daemon started in that outage lets files try now and then, which costs them nothing',
  limit,
  async () => {
    const sent = await scene.files(3)
    await scene.fault(MEDIA_HOST_503)
    await scene.deliver(...sent)
    const daemon = await scene.daemon()
    await daemon.until(entry => entry.msg === 'circuit opened', 2)
    for (const each of sent) assert.equal((await scene.row(each)).upload_attempts, 0)
    await project.control('DELETE', 'faults')
    await daemon.until(entry => entry.outcome === 'uploaded', 3)
    for (const each of sent) await scene.uploaded(each)
  },
)

test(
  'a file alone that the media host always answers with 500 ends FAILED, and opens no circuit',
  limit,
  async () => {
    const sent = await scene.file()
    await scene.fault({ on: 'media', fault: 'status', status: 500, mediaId: sent.message.media.id })
    await scene.deliver(sent)
    await project.database.query(
      'update public.attachments set upload_attempts = max_attempts - 1 where true',
    )
    const daemon = await scene.daemon()
    await daemon.settled(1)
    await scene.notUploaded(sent, { status: 'FAILED', code: 'whatsapp_unavailable', attempts: 5 })
    assert.deepEqual(await scene.circuitEvents(), [])
  },
)

for (const [size, bytes] of [
  ['a small file', jpeg('small')],
  ['a large file, half of it on its way to Storage', jpeg('large', LARGE)],
] as const) {
  test(
    `the download of ${size} is cut: no part of it is ever UPLOADED, and it is whole the next time`,
    limit,
    async () => {
      const sent = await scene.file({ bytes })
      const neighbour = await scene.file()
      const afterBytes = Math.floor(bytes.length / 2)
      await scene.fault({ on: 'media', fault: 'cut', afterBytes, mediaId: sent.message.media.id, times: 1 })
      await scene.deliver(sent, neighbour)
      const daemon = await scene.daemon()
      await daemon.settled(2)
      await scene.notUploaded(sent, { status: 'PENDING', code: 'whatsapp_unreachable', attempts: 1 })
      await scene.uploaded(neighbour)
      assert.deepEqual(await scene.circuitEvents(), [])
      await scene.makeDue(sent)
      await daemon.settled(3)
      await scene.uploaded(sent, 2)
    },
  )
}

test('partial files that look complete: too short, too long, without a length', limit, async () => {
  const [short, long, unsaid, large] = await Promise.all([
    scene.file(),
    scene.file(),
    scene.file(),
    scene.file({ bytes: jpeg('partial', LARGE) }),
  ])
  const on = 'media'
  await scene.fault({ on, fault: 'wrong_length', by: -1, mediaId: short.message.media.id, times: 1 })
  await scene.fault({ on, fault: 'wrong_length', by: 1, mediaId: long.message.media.id, times: 1 })
  await scene.fault({ on, fault: 'no_length', mediaId: unsaid.message.media.id })
  await scene.fault({ on, fault: 'wrong_length', by: -1, mediaId: large.message.media.id, times: 1 })
  await scene.deliver(short, long, unsaid, large)
  const daemon = await scene.daemon()
  await daemon.settled(4)
  await scene.uploaded(unsaid)
  for (const each of [short, long, large]) {
    await scene.notUploaded(each, { status: 'PENDING', code: 'integrity', attempts: 1 })
  }
  await scene.makeDue(short, long, large)
  await daemon.settled(7)
  for (const each of [short, long, large]) await scene.uploaded(each, 2)
})

test('one reset by Graph, one by the media host: each is its own and costs nobody else', limit, async () => {
  const [first, second, ...others] = await scene.files(5)
  assert.ok(first !== undefined && second !== undefined)
  await scene.fault({ on: 'graph', fault: 'reset', mediaId: first.message.media.id, times: 1 })
  await scene.fault({ on: 'media', fault: 'reset', mediaId: second.message.media.id, times: 1 })
  await scene.deliver(first, second, ...others)
  const daemon = await scene.daemon()
  await daemon.settled(5)
  for (const each of others) await scene.uploaded(each)
  for (const each of [first, second]) {
    await scene.notUploaded(each, { status: 'PENDING', code: 'whatsapp_unreachable', attempts: 1 })
  }
  assert.deepEqual(await scene.circuitEvents(), [])
  await scene.makeDue(first, second)
  await daemon.settled(7)
  for (const each of [first, second]) await scene.uploaded(each, 2)
})

for (const [where, rule, bytes] of [
  ['Graph never answers', { on: 'graph' }, jpeg('stalled')],
  ['the media host never answers', { on: 'media' }, jpeg('stalled')],
  ['a download stops in the middle', { on: 'media', afterBytes: 2 ** 20 }, jpeg('stalled', LARGE)],
] as const) {
  test(`${where}: a timeout, while all others are carried`, limit, async () => {
    const sent = await scene.file({ bytes })
    const others = await scene.files(4)
    await scene.fault({ ...rule, fault: 'stalled', mediaId: sent.message.media.id, times: 1 })
    await scene.deliver(sent, ...others)
    const daemon = await scene.daemon({ CONCURRENCY: '2' })
    await daemon.settled(others.length)
    for (const each of others) await scene.uploaded(each)
    assert.equal((await scene.row(sent)).upload_status, 'UPLOADING')
    await passUntilSettled(daemon, others.length + 1)
    await scene.notUploaded(sent, { status: 'PENDING', code: 'whatsapp_timeout', attempts: 1 })
    assert.deepEqual(await scene.circuitEvents(), [])
    await scene.makeDue(sent)
    await daemon.settled(others.length + 2)
    await scene.uploaded(sent, 2)
  })
}

test('slow is not broken: a trickling file arrives at the first attempt', limit, async () => {
  const sent = await scene.file({ bytes: jpeg('slow', 100_000) })
  await scene.fault({ on: 'media', fault: 'slow', bytesPerSecond: 100_000, mediaId: sent.message.media.id })
  await scene.deliver(sent)
  const daemon = await scene.daemon()
  await daemon.settled(1)
  await scene.uploaded(sent)
})

test(
  'redirected downloads: followed to another host without the token, and not for ever',
  limit,
  async () => {
    const [moved, loop] = await Promise.all([scene.file(), scene.file()])
    const leaksBefore = await tokensLeaked()
    await scene.fault({ on: 'media', fault: 'redirect', hops: 2, mediaId: moved.message.media.id })
    await scene.fault({ on: 'media', fault: 'redirect', hops: 9, mediaId: loop.message.media.id })
    await scene.deliver(moved, loop)
    const daemon = await scene.daemon({ WHATSAPP_MEDIA_HOSTS: '127.0.0.1,localhost' })
    await daemon.settled(2)
    await scene.uploaded(moved)
    await scene.notUploaded(loop, { status: 'PENDING', code: 'media_host_refused', attempts: 1 })
    assert.equal(await tokensLeaked(), leaksBefore)
  },
)

function refuse(host: 'graph' | 'media') {
  return () => project.control('POST', 'hosts', { [host]: 'refuse' })
}

function accept() {
  return project.control('POST', 'hosts', { graph: 'accept', media: 'accept' })
}

async function tokensLeaked(): Promise<unknown> {
  const state: unknown = await project.control('GET', 'state')
  return JSON.parse(JSON.stringify(state)).requests.elsewhere.withToken
}

/** Half a minute at a time: what waits for an answer has a minute, what waits for more bytes has half of one. */
async function passUntilSettled(daemon: TestDaemon, count: number): Promise<void> {
  let settled = false
  const done = daemon.settled(count).then(() => {
    settled = true
  })
  while (!settled) {
    passForUndici(31_000)
    await Promise.race([done, wait(600)])
  }
}
