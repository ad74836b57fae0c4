import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { startTestDaemon, type TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { assertCarried, eventsOf, objectsOf, rowOf } from '../support/rows.ts'

const UPLOAD = 'POST /storage/v1/object/attachments/'
const project = await takeProject()
const proxy = await startProxy(project.url)
const running: TestDaemon[] = []
after(() => proxy.stop())
afterEach(async () => {
  proxy.passAll()
  await Promise.all(running.splice(0).map(each => each.stop()))
})

async function daemon(): Promise<TestDaemon> {
  const started = await startTestDaemon(project, { SUPABASE_URL: proxy.url })
  running.push(started)
  return started
}

const leads = async (sql: string, values: readonly unknown[] = []) =>
  (await project.database.query(sql, [...values])).rows

/** A daemon with that message's object stored and Storage's answer still under way. */
async function uploading(messageId: string) {
  const upload = proxy.holdAnswer(UPLOAD)
  const carrier = await daemon()
  await upload.arrived
  const before = await rowOf(project, messageId)
  assert.equal(before.upload_status, 'UPLOADING')
  return { carrier, before, finish: upload.release }
}

test('a file that nobody is named for is carried under `unassigned`', async () => {
  const { from: _from, ...message } = await project.message('image')
  await project.deliver(message)
  const carrier = await daemon()
  await carrier.settled(1)
  const row = await assertCarried(project, message)
  assert.equal(row.lead_id, null)
  assert.equal(row.object_key, `unassigned/${row.id}-1.jpg`)
  assert.deepEqual(await leads('select 1 from public.leads'), [])
})

test('a lead deleted while its file is uploading takes the file with it into nothing but null', async () => {
  const message = await project.message('image', { from: '15550001001' })
  await project.deliver(message)
  const { carrier, before, finish } = await uploading(message.id)
  await leads('delete from public.leads where id = $1', [before.lead_id])
  finish()
  await carrier.settled(1)
  const row = await assertCarried(project, message)
  assert.equal(row.lead_id, null)
  assert.equal(row.object_key, `${before.lead_id}/${row.id}-1.jpg`, 'the prefix is kept')
})

test('a lead deleted before the claim changes nothing of where the file goes', async () => {
  const message = await project.message('audio', { from: '15550001002' })
  await project.deliver(message)
  const { lead_id: lead } = await rowOf(project, message.id)
  await leads('delete from public.leads where id = $1', [lead])
  const carrier = await daemon()
  await carrier.settled(1)
  const row = await assertCarried(project, message)
  assert.deepEqual([row.lead_id, row.object_key], [null, `${lead}/${row.id}-1.ogg`])
})

test('a lead merged into another while its file is uploading hands the file over', async () => {
  const phone = '15550001003'
  const userId = 'US.1003'
  const byPhone = await project.message('image', { from: phone })
  const { from: _from, ...byUserId } = { ...(await project.message('sticker')), userId }
  await project.deliver(byUserId)
  const first = await daemon()
  await first.settled(1)
  await first.stop()
  await project.deliver(byPhone)
  const both = { ...(await project.message('audio', { from: phone })), userId }
  const { carrier, before, finish } = await uploading(byPhone.id)
  await project.deliver(both)
  finish()
  await carrier.settled(2)

  const [lead] = await leads('select id, user_id, phone from public.leads where phone = $1', [phone])
  assert.equal(lead?.user_id, userId)
  assert.notEqual(lead?.id, before.lead_id, 'the lead known by its phone alone is gone')
  for (const message of [byPhone, byUserId, both]) {
    assert.equal((await assertCarried(project, message)).lead_id, lead?.id)
  }
  const row = await rowOf(project, byPhone.id)
  assert.equal(row.object_key, `${before.lead_id}/${row.id}-1.jpg`, 'the prefix is kept')
})

test('a person forgotten while a file is uploading leaves no object behind', async () => {
  const message = await project.message('image', { from: '15550001004' })
  await project.deliver(message)
  const { before, finish } = await uploading(message.id)
  await leads(`select public.forget_lead($1, 'stop')`, [before.lead_id])
  const removal = proxy.holdAnswer('DELETE /storage/v1/object/attachments')
  finish()
  await removal.arrived
  removal.release()
  const row = await rowOf(project, message.id)
  assert.deepEqual([row.upload_status, row.error_code, row.caption], ['FAILED', 'forgotten', null])
  assert.deepEqual(await objectsOf(project, row), [])
  assert.ok(!(await eventsOf(project, row.id)).includes('uploaded'))
})
