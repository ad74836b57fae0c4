import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { eventually, jpeg, openScene } from '../support/scene.ts'

const scene = openScene(await takeProject())
const { database } = scene.project
const limit = { timeout: 30_000 }
const UPLOADS = /^POST \/object\/attachments\/\d/

test('no more than CONCURRENCY at a time, and every one of thirty files is its own', limit, async () => {
  const proxy = await scene.storageProxy()
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  proxy.fail(held, { on: UPLOADS })
  const sent = await scene.files(30)
  await scene.deliver(...sent)
  const daemon = await scene.daemon({ SUPABASE_URL: proxy.url, CONCURRENCY: '4' })
  await proxy.asked(UPLOADS, 4)
  // As many again are claimed and wait for a lane, and once more as many when the first claim took long.
  await eventually(async () => assert.ok((await uploading()) >= 8))
  assert.ok((await uploading()) <= 12)
  release()
  await daemon.settled(sent.length)
  const rows = await Promise.all(sent.map(each => scene.uploaded(each)))
  assert.equal(new Set(rows.map(each => each.object_key)).size, sent.length)
  assert.equal(proxy.requests.filter(each => UPLOADS.test(each)).length, sent.length, 'none was sent twice')
  assert.equal(proxy.peak(), 4)
})

test('one that hangs in Storage takes one lane and no other', limit, async () => {
  const proxy = await scene.storageProxy()
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const [slow, ...others] = await scene.files(21)
  assert.ok(slow !== undefined)
  await scene.deliver(slow, ...others)
  const { id } = await scene.row(slow)
  proxy.fail(held, { on: new RegExp(`^POST /object/attachments/\\d+/${id}-`) })
  const daemon = await scene.daemon({ SUPABASE_URL: proxy.url, CONCURRENCY: '2' })
  await daemon.settled(others.length)
  for (const each of others) await scene.uploaded(each)
  assert.equal((await scene.row(slow)).upload_status, 'UPLOADING')
  release()
  await daemon.settled(others.length + 1)
  await scene.uploaded(slow)
})

test('three daemons share the work: each file is fetched once, claimed once and whole', limit, async () => {
  const sent = await scene.files(30)
  await scene.deliver(...sent)
  const three = await Promise.all([1, 2, 3].map(() => scene.daemon({ CONCURRENCY: '3' })))
  await allSettled(three, sent.length)
  const rows = await Promise.all(sent.map(each => scene.uploaded(each)))
  assert.ok(rows.every(each => each.claim_token === '1' && each.lost_leases === 0))
  for (const each of sent) assert.deepEqual(await scene.asked(each), { resolved: 1, downloaded: 1 })
  for (const each of three) assert.ok(each.entries.some(entry => entry.msg === 'settled'))
})

for (const [size, bytes] of [
  ['small', jpeg('frozen')],
  ['large', jpeg('frozen', 3 * 2 ** 20)],
] as const) {
  test(
    `a worker that was frozen with a ${size} upload half done changes nothing of what another has settled`,
    limit,
    async () => {
      const proxy = await scene.storageProxy()
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      proxy.fail(held, { on: UPLOADS })
      const sent = await scene.file({ bytes })
      await scene.deliver(sent)
      const sleeper = await scene.daemon({ SUPABASE_URL: proxy.url })
      await proxy.asked(UPLOADS)
      const thaw = await proxy.freeze()
      await database.query('update public.attachments set leased_until = now() where message_id = $1', [
        sent.message.id,
      ])
      const other = await scene.daemon()
      await other.settled(1)
      const settled = await scene.uploaded(sent)
      assert.match(settled.object_key, /-2\.jpg$/)
      assert.equal(settled.lost_leases, 1)

      release()
      thaw()
      await sleeper.until(entry => entry.answer === 'lost' || entry.outcome === 'lost')
      assert.deepEqual(await scene.uploaded(sent), settled)
      await eventually(async () => assert.deepEqual(await scene.objectsOf(sent), [settled.object_key]))
    },
  )
}

test('files that come while others are carried, from many senders at once', limit, async () => {
  const daemon = await scene.daemon({ CONCURRENCY: '4' })
  const batches = await Promise.all(
    Array.from({ length: 8 }, (_, index) => scene.files(5, { from: `1555000${2000 + index}` })),
  )
  await Promise.all(batches.map(batch => scene.deliver(...batch)))
  const sent = batches.flat()
  await daemon.settled(sent.length)
  const rows = await Promise.all(sent.map(each => scene.uploaded(each)))
  assert.equal(new Set(rows.map(each => each.lead_id)).size, batches.length)
})

async function allSettled(daemons: readonly TestDaemon[], count: number): Promise<void> {
  const settled = () => daemons.flatMap(each => each.entries.filter(entry => entry.msg === 'settled')).length
  await Promise.race(daemons.map(each => each.until(() => settled() >= count)))
}

async function uploading(): Promise<number> {
  const { rows } = await database.query(
    `select count(*)::int as count from public.attachments where upload_status = 'UPLOADING'`,
  )
  return rows[0]?.count
}
