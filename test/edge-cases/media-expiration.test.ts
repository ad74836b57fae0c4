import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeProject } from '../support/project.ts'
import { eventually, openScene, type Sent } from '../support/scene.ts'

const scene = openScene(await takeProject())
const { project } = scene
const limit = { timeout: 30_000 }
const DAY = 86_400

test(
  'a webhook that comes after more than seven days: the file is asked for once, and carried if it is there',
  limit,
  async () => {
    const sent = await sentDaysAgo(8)
    await scene.deliver(sent)
    assert.ok((await scene.row(sent)).expires_at < new Date(), 'past its time before anybody saw it')
    const daemon = await scene.daemon()
    await daemon.settled(1)
    await scene.uploaded(sent)
  },
)

test(
  'past its seven days and gone: FAILED media_expired after one question, whatever attempts are left',
  limit,
  async () => {
    const sent = await sentDaysAgo(7.1)
    const neighbour = await scene.file()
    await forget(sent)
    await scene.deliver(sent, neighbour)
    const daemon = await scene.daemon()
    await daemon.settled(2)
    await scene.notUploaded(sent, { status: 'FAILED', code: 'media_expired', attempts: 1 })
    assert.deepEqual(await scene.events(sent), ['received', 'failed'])
    await scene.uploaded(neighbour)
    assert.deepEqual(await scene.circuitEvents(), [])
  },
)

test('gone before its time is media_gone: a deleted album of five stops nobody else', limit, async () => {
  const album = await scene.files(5)
  const others = await scene.files(5, { from: '15550009999' })
  for (const each of album) await forget(each)
  await scene.deliver(...album, ...others)
  const daemon = await scene.daemon()
  await daemon.settled(10)
  for (const each of album) {
    await scene.notUploaded(each, { status: 'FAILED', code: 'media_gone', attempts: 1 })
  }
  for (const each of others) await scene.uploaded(each)
  assert.deepEqual(await scene.circuitEvents(), [])
})

test(
  'gone, says a token that was revoked: not believed, neither before nor after the seven days',
  limit,
  async () => {
    const [young, old] = [await scene.file(), await sentDaysAgo(9)]
    await scene.deliver(young, old)
    // Graph answers 100/33 also for what the token may not see; the phone number cannot be read then either.
    await scene.fault({ on: 'graph', fault: 'error', code: 100, subcode: 33 })
    const daemon = await scene.daemon()
    const [opened] = await daemon.until(entry => entry.msg === 'circuit opened')
    assert.equal(opened?.dependency, 'whatsapp')
    await daemon.settled(2)
    for (const each of [young, old]) {
      const row = await scene.row(each)
      assert.equal(row.upload_status, 'PENDING')
      assert.equal(row.upload_attempts, 0)
    }
    await project.control('DELETE', 'faults')
    await daemon.until(entry => entry.outcome === 'uploaded', 2)
    for (const each of [young, old]) await scene.uploaded(each)
  },
)

test(
  'no row fails by the clock alone: paused past its time, it is asked for once all goes on',
  limit,
  async () => {
    const sent = await scene.file()
    await scene.deliver(sent)
    await project.database.query(`select public.set_pipeline_paused(true, 'operator', 'holidays')`)
    const daemon = await scene.daemon({ CANARY_INTERVAL: '1s' })
    await daemon.until(entry => entry.msg === 'the pipeline is paused')
    await project.database.query(
      `update public.attachments set sent_at = now() - interval '30 days', expires_at = now() - interval '23 days'
     where message_id = $1`,
      [sent.message.id],
    )
    const beaten = await beats()
    await eventually(async () => assert.ok((await beats()) > beaten))
    await scene.notUploaded(sent, { status: 'PENDING', code: null, attempts: 0 })
    await project.database.query(`select public.set_pipeline_paused(false, 'operator', null)`)
    await daemon.settled(1)
    await scene.uploaded(sent)

    async function beats(): Promise<number> {
      const { rows } = await project.database.query('select sum(beat) as beats from public.realtime_canary')
      return Number(rows[0]?.beats ?? 0)
    }
  },
)

test('what Meta deletes within a day goes before everything that waited longer', limit, async () => {
  const waiting = await scene.files(12)
  const urgent = await sentDaysAgo(6.5)
  await scene.deliver(...waiting, urgent)
  await project.database.query(
    `update public.attachments set next_attempt_at = now() - interval '1 hour' where message_id <> $1`,
    [urgent.message.id],
  )
  const daemon = await scene.daemon({ CONCURRENCY: '1' })
  const [first] = await daemon.settled(1)
  assert.equal(first?.attachment, Number((await scene.row(urgent)).id))
  await daemon.settled(13)
  for (const each of [urgent, ...waiting]) await scene.uploaded(each)
})

test(
  'an address older than its five minutes: resolved afresh once, within the same attempt',
  limit,
  async () => {
    for (const status of [401, 403, 404]) {
      const sent = await scene.file()
      await scene.fault({ on: 'media', fault: 'status', status, mediaId: sent.message.media.id, times: 1 })
      await scene.deliver(sent)
      const daemon = await scene.daemon()
      await daemon.settled(1)
      await scene.uploaded(sent)
      assert.equal((await scene.asked(sent)).resolved, 2)
      await daemon.stop()
    }
  },
)

test('refused with a fresh address too: one attempt of its own, and not an address more', limit, async () => {
  const [refused, neighbour] = await Promise.all([scene.file(), scene.file()])
  await scene.fault({
    on: 'media',
    fault: 'status',
    status: 404,
    mediaId: refused.message.media.id,
    times: 2,
  })
  await scene.deliver(refused, neighbour)
  const daemon = await scene.daemon()
  await daemon.settled(2)
  await scene.notUploaded(refused, { status: 'PENDING', code: 'download_refused', attempts: 1 })
  assert.equal((await scene.asked(refused)).resolved, 2)
  await scene.uploaded(neighbour)
  await scene.makeDue(refused)
  await daemon.settled(3)
  await scene.uploaded(refused, 2)
})

async function sentDaysAgo(days: number): Promise<Sent> {
  const { bytes, message } = await scene.file()
  return { bytes, message: { ...message, timestamp: Math.floor(Date.now() / 1000 - days * DAY) } }
}

async function forget({ message }: Sent): Promise<void> {
  await project.control('DELETE', `media/${message.media.id}`)
}
