import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimOf, fakeMeta, fakeStorage, jpeg, json, patient, sha256, transferBetween } from './servers.ts'

const bytes = jpeg(4000)
const right = { bytes, type: 'image/jpeg' }
const wrong = { bytes: jpeg(4000), type: 'image/jpeg' }
const claim = claimOf({ claimToken: 4, declaredSha256: sha256(bytes) })

async function scene(t: Parameters<typeof fakeMeta>[0]) {
  const meta = await fakeMeta(t, bytes)
  const storage = await fakeStorage(t)
  const transfer = transferBetween(t, meta, storage)
  const carry = async (given = claim) =>
    transfer.copy(given, await transfer.resolve(given, patient()), patient())
  return { meta, storage, transfer, carry }
}

test('what an earlier claim stored is settled with, and Meta is asked nothing', async t => {
  const { meta, storage, carry } = await scene(t)
  storage.objects.set('attachments/5/41-1.jpg', wrong).set('attachments/5/41-2.jpg', right)
  assert.deepEqual(await carry(), {
    objectKey: '5/41-4.jpg',
    contentType: 'image/jpeg',
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    verified: true,
    notes: [{ event: 'found_stored', detail: { stored_as: '5/41-2.jpg' } }],
  })
  assert.deepEqual(meta.asked, [])
})

test('the object is moved, so that the earlier worker cannot delete it with its own key', async t => {
  const { storage, transfer, carry } = await scene(t)
  storage.objects.set('attachments/5/41-2.jpg', right)
  const { objectKey } = await carry()
  await transfer.discard('attachments', '5/41-2.jpg')
  assert.deepEqual([...storage.objects.keys()], [`attachments/${objectKey}`])
})

test('one that vanishes before it is moved is carried again', async t => {
  const { meta, storage, carry } = await scene(t)
  storage.objects.set('attachments/5/41-2.jpg', right)
  storage.before = request => {
    if (request.url?.endsWith('/object/move')) storage.objects.clear()
    return false
  }
  assert.equal((await carry()).objectKey, '5/41-4.jpg')
  assert.equal(meta.asked.length, 2)
})

test("wrong bytes, a neighbour's object and another extension are not settled with", async t => {
  const { meta, storage, carry } = await scene(t)
  storage.objects
    .set('attachments/5/41-3.jpg', wrong)
    .set('attachments/5/411-1.jpg', right)
    .set('attachments/5/41-2.png', right)
    .set('attachments/6/41-2.jpg', right)
  await carry()
  assert.equal(meta.asked.length, 2, 'it was carried')
  assert.equal(storage.objects.size, 5)
})

test('a first claim looks for nothing', async t => {
  const { storage, carry } = await scene(t)
  await carry({ ...claim, claimToken: 1 })
  assert.deepEqual(storage.asked, ['POST /object/attachments/5/41-1.jpg'])
})

test("without the webhook's hash Graph's tells, and without any the file is carried", async t => {
  const { meta, storage, carry } = await scene(t)
  storage.objects.set('attachments/5/41-2.jpg', right)
  const unhashed = { ...claim, declaredSha256: null }
  assert.equal((await carry(unhashed)).notes[0]?.event, 'found_stored')
  assert.deepEqual(
    meta.asked.map(({ url }) => url),
    ['/v25.0/77'],
  )
  meta.facts = { mime_type: 'image/jpeg' }
  storage.objects.clear()
  storage.objects.set('attachments/5/41-2.jpg', right)
  assert.deepEqual((await carry(unhashed)).notes, [])
})

test('when Storage cannot be asked, nothing is fetched behind its back', async t => {
  const { meta, storage, carry } = await scene(t)
  storage.before = (_request, response) => {
    json(response, 500, { code: 'InternalError', message: 'no' })
    return true
  }
  await assert.rejects(carry(), { name: 'TransferError' })
  assert.deepEqual(meta.asked, [])
})

test('after success the earlier keys are removed, and no other', async t => {
  const { storage, transfer } = await scene(t)
  for (const key of ['5/41-1.jpg', '5/41-2.jpg', '5/41-4.jpg', '5/41-5.jpg', '5/42-1.jpg']) {
    storage.objects.set(`attachments/${key}`, right)
  }
  await transfer.discardEarlier(claim)
  assert.deepEqual(
    [...storage.objects.keys()],
    ['attachments/5/41-4.jpg', 'attachments/5/41-5.jpg', 'attachments/5/42-1.jpg'],
  )
  storage.asked.length = 0
  await transfer.discardEarlier({ ...claim, claimToken: 1 })
  assert.deepEqual(storage.asked, [])
})
