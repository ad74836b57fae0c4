import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { startTestDaemon, type TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { arrange, assertCarried, eventsOf, fetchesOf, rowOf, storyOf } from '../support/rows.ts'

const project = await takeProject()
const running: TestDaemon[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.stop()))
  await project.control('DELETE', 'faults')
  await project.database.query('delete from public.attachments')
})

async function daemon(overrides: Readonly<Record<string, string>> = {}): Promise<TestDaemon> {
  const started = await startTestDaemon(project, overrides)
  running.push(started)
  return started
}

/** A message whose file arrives with wrong bytes; without `times`, always. */
async function damaged(times?: number) {
  const message = await project.message('image')
  const rule = { on: 'media', fault: 'wrong_hash', mediaId: message.media.id }
  await project.control('POST', 'faults', times === undefined ? rule : { ...rule, times })
  return message
}

const delayOf = (row: { readonly next_attempt_at: Date; readonly updated_at: Date }): number =>
  row.next_attempt_at.getTime() - row.updated_at.getTime()

test('too early: a row that is due in an hour is not touched, announced or not', async () => {
  const early = await project.message('image')
  await project.deliver(early)
  await arrange(project, early.id, `next_attempt_at = now() + interval '1 hour'`)
  const before = await rowOf(project, early.id)
  const carrier = await daemon({ SWEEP_INTERVAL: '1s' })
  await carrier.until(entry => entry.msg === 'Realtime is heard')
  const now = await project.message('sticker')
  await project.deliver(now)
  await carrier.settled(1)
  await assertCarried(project, now)
  assert.deepEqual(await rowOf(project, early.id), before)
  assert.deepEqual(await fetchesOf(project, early.media.id), { resolved: 0, downloaded: 0 })
})

test('due: the moment has come', async () => {
  const message = await project.message('image')
  await project.deliver(message)
  await arrange(project, message.id, 'next_attempt_at = now(), upload_attempts = 2')
  const carrier = await daemon()
  await carrier.settled(1)
  await assertCarried(project, message, { attempts: 3 })
})

test('overdue: what has waited longest goes first, the rest after it', async () => {
  const messages = await Promise.all(Array.from({ length: 4 }, () => project.message('sticker')))
  await project.deliver(...messages)
  for (const [at, message] of messages.entries()) {
    await arrange(project, message.id, `next_attempt_at = now() - interval '${1 + ((at * 3) % 4)} days'`)
  }
  const order = [3, 2, 1, 0].map(days => messages.find((_, at) => (at * 3) % 4 === days)?.id ?? '')
  const carrier = await daemon({ CONCURRENCY: '1' })
  const settled = await carrier.settled(messages.length)
  const ids = await Promise.all(order.map(async id => Number((await rowOf(project, id)).id)))
  assert.deepEqual(
    settled.map(entry => entry.attachment),
    ids,
  )
})

test('the delay is five minutes unless it is set, and each attempt has the same', async () => {
  const message = await damaged()
  await project.deliver(message)
  for (const [attempt, overrides, ms] of [
    [1, {}, 300_000],
    [2, {}, 300_000],
    [3, { RETRY_DELAY: '90s' }, 90_000],
  ] as const) {
    const carrier = await daemon(overrides)
    await carrier.settled(1)
    await carrier.stop()
    const row = await rowOf(project, message.id)
    assert.deepEqual(
      [row.upload_status, row.upload_attempts, row.error_code],
      ['PENDING', attempt, 'integrity'],
    )
    assert.equal(delayOf(row), ms)
    await arrange(project, message.id, 'next_attempt_at = now()')
  }
  const { id } = await rowOf(project, message.id)
  const told = (await storyOf(project, id)).map(({ event, detail }) => [event, detail.attempt])
  assert.deepEqual(told, [
    ['received', undefined],
    ['retry', 1],
    ['retry', 2],
    ['retry', 3],
  ])
})

test('a running daemon comes back by itself until it succeeds', async () => {
  const message = await damaged(2)
  const carrier = await daemon({ RETRY_DELAY: '1s', SWEEP_INTERVAL: '1s' })
  await project.deliver(message)
  await carrier.settled(3)
  const row = await assertCarried(project, message, { attempts: 3 })
  assert.equal(row.claim_token, '3')
  assert.deepEqual(await eventsOf(project, row.id), ['received', 'retry', 'retry', 'uploaded'])
})

test('a Retry-After puts an attempt off, and one below the delay brings it no sooner', async () => {
  for (const [seconds, ms] of [
    [900, 900_000],
    [1, 300_000],
  ] as const) {
    const message = await project.message('image')
    await project.control('POST', 'faults', {
      on: 'media',
      fault: 'status',
      status: 503,
      retryAfterSeconds: seconds,
      mediaId: message.media.id,
    })
    await project.deliver(message)
    const carrier = await daemon()
    await carrier.settled(1)
    await carrier.stop()
    const row = await rowOf(project, message.id)
    assert.deepEqual([row.upload_status, row.upload_attempts], ['PENDING', 1])
    assert.equal(delayOf(row), ms)
    await project.database.query('delete from public.attachments')
  }
})

test("FAILED is not tried again by itself; an operator's retry begins anew and wakes the daemon", async () => {
  const message = await damaged(1)
  await project.deliver(message)
  await arrange(project, message.id, 'upload_attempts = max_attempts - 1')
  const carrier = await daemon({ SWEEP_INTERVAL: '10m' })
  const [told] = await carrier.settled(1)
  assert.deepEqual(
    [told?.outcome, told?.code, told?.advice],
    ['failed', 'integrity', 'Ask the sender to send the file again.'],
  )
  await carrier.until(entry => entry.msg === 'Realtime is heard')
  const failed = await rowOf(project, message.id)
  assert.equal(failed.upload_status, 'FAILED')
  const neighbour = await project.message('sticker')
  await project.deliver(neighbour)
  await carrier.settled(2)
  assert.deepEqual(await rowOf(project, message.id), failed)

  await project.database.query('select public.retry_attachments(array[$1::bigint], null, 10)', [failed.id])
  await carrier.settled(3)
  const row = await assertCarried(project, message, { attempts: 1 })
  assert.equal(row.claim_token, '2', 'the token goes on: no claim is ever repeated')
  assert.deepEqual(await eventsOf(project, row.id), ['received', 'failed', 'retried', 'uploaded'])
})
