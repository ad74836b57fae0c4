import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newMessageId } from '../../supabase/functions/whatsapp-webhook/compose.ts'
import { takeProject } from '../support/project.ts'
import { openScene, type Sent } from '../support/scene.ts'

const scene = openScene(await takeProject())
const { project } = scene
const limit = { timeout: 30_000 }

test('the same media id in two messages of one lead: two rows, and an object for each', limit, async () => {
  const first = await scene.file()
  const second = again(first)
  await scene.deliver(first, second)
  const daemon = await scene.daemon()
  await daemon.settled(2)
  const rows = [await scene.uploaded(first), await scene.uploaded(second)]
  assert.equal(rows[0]?.lead_id, rows[1]?.lead_id)
  assert.notEqual(rows[0]?.object_key, rows[1]?.object_key)
})

test(
  'the same media id from two leads: each under its own lead, neither can see the other',
  limit,
  async () => {
    const first = await scene.file({ from: '15550001111' })
    const second = again(first, '15550002222')
    await scene.deliver(first)
    await scene.deliver(second)
    const daemon = await scene.daemon()
    await daemon.settled(2)
    const [one, other] = [await scene.uploaded(first), await scene.uploaded(second)]
    assert.notEqual(one.lead_id, other.lead_id)
    assert.equal(one.object_key, `${one.lead_id}/${one.id}-1.jpg`)
    assert.equal(other.object_key, `${other.lead_id}/${other.id}-1.jpg`)
  },
)

test(
  'a message delivered five times at once, and twice within one POST, is one row and one object',
  limit,
  async () => {
    const sent = await scene.file()
    const daemon = await scene.daemon()
    await Promise.all(Array.from({ length: 5 }, () => scene.deliver(sent, sent)))
    await daemon.settled(1)
    const row = await scene.uploaded(sent)
    assert.deepEqual(await scene.objectsOf(sent), [row.object_key])
    assert.equal(await attachments(), 1)
    assert.deepEqual(await scene.asked(sent), { resolved: 1, downloaded: 1 })
  },
)

test('a redelivery after it was carried changes nothing and fetches nothing', limit, async () => {
  const sent = await scene.file()
  await scene.deliver(sent)
  const daemon = await scene.daemon()
  await daemon.settled(1)
  const before = await scene.uploaded(sent)
  // With another caption and type, as a hostile or broken sender would.
  const changed = { ...sent.message.media, caption: 'other', mimeType: 'text/html' }
  await scene.deliver({ ...sent, message: { ...sent.message, media: changed } })
  const next = await scene.file()
  await scene.deliver(next)
  await daemon.settled(2)
  await scene.uploaded(next)
  assert.deepEqual(await scene.uploaded(sent), before)
  assert.deepEqual(await scene.asked(sent), { resolved: 1, downloaded: 1 })
})

test('a redelivery neither revives what has FAILED nor forgets its attempts', limit, async () => {
  const sent = await scene.file()
  await scene.fault({ on: 'media', fault: 'wrong_hash', mediaId: sent.message.media.id, times: 1 })
  await scene.deliver(sent)
  await project.database.query(
    'update public.attachments set upload_attempts = max_attempts - 1 where message_id = $1',
    [sent.message.id],
  )
  const daemon = await scene.daemon()
  await daemon.settled(1)
  await scene.deliver(sent)
  const next = await scene.file()
  await scene.deliver(next)
  await daemon.settled(2)
  await scene.uploaded(next)
  await scene.notUploaded(sent, { status: 'FAILED', code: 'integrity', attempts: 5 })
})

test(
  'gone by the time of the second message: that one fails, the first keeps its object',
  limit,
  async () => {
    const first = await scene.file()
    const second = again(first)
    await scene.deliver(first)
    const daemon = await scene.daemon()
    await daemon.settled(1)
    const before = await scene.uploaded(first)
    await project.control('DELETE', `media/${first.message.media.id}`)
    await scene.deliver(second)
    await daemon.settled(2)
    await scene.notUploaded(second, { status: 'FAILED', code: 'media_gone', attempts: 1 })
    assert.deepEqual(await scene.uploaded(first), before)
  },
)

test('the same media id under another declared hash: each row is held to its own bytes', limit, async () => {
  const right = await scene.file()
  const forged = again(right)
  const sha256 = Buffer.alloc(32, 7).toString('base64')
  // Graph names no hash here, so that the webhook's is what counts.
  await scene.fault({ on: 'graph', fault: 'metadata', omit: ['sha256'], mediaId: right.message.media.id })
  await scene.deliver(right, {
    ...forged,
    message: { ...forged.message, media: { ...forged.message.media, sha256 } },
  })
  const daemon = await scene.daemon()
  await daemon.settled(2)
  await scene.uploaded(right)
  await scene.notUploaded(forged, { status: 'PENDING', code: 'integrity', attempts: 1 })
})

test('twenty messages with one media id, two daemons at once: twenty whole objects', limit, async () => {
  const first = await scene.file()
  const all = [
    first,
    ...Array.from({ length: 19 }, (_, index) => again(first, `1555000${1000 + (index % 5)}`)),
  ]
  await scene.deliver(...all)
  const both = await Promise.all([scene.daemon({ CONCURRENCY: '3' }), scene.daemon({ CONCURRENCY: '3' })])
  const settled = () => both.flatMap(each => each.entries.filter(entry => entry.msg === 'settled')).length
  await Promise.race(both.map(each => each.until(() => settled() === all.length)))
  const rows = await Promise.all(all.map(each => scene.uploaded(each)))
  assert.equal(new Set(rows.map(each => each.object_key)).size, all.length)
  assert.ok(rows.every(each => each.claim_token === '1'))
})

/** Another message with the same file, of the same sender unless another is named. */
function again({ bytes, message }: Sent, from = message.from ?? ''): Sent {
  return { bytes, message: { ...message, id: newMessageId(), from } }
}

async function attachments(): Promise<number> {
  const { rows } = await project.database.query('select count(*)::int as count from public.attachments')
  return rows[0]?.count
}
