import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { z } from 'zod'
import {
  failuresShape,
  listShape,
  openedShape,
  pausedShape,
  retriedIdsShape,
  summaryShape,
} from '../../src/api-shapes.ts'
import { UserError } from '../../src/errors.ts'
import { readJson, startDaemonWithDoors } from '../support/ops.ts'
import { takeProject } from '../support/project.ts'
import { eventsOf, rowOf } from '../support/rows.ts'
import { eventually } from '../support/scene.ts'

/** The doors of a real daemon, in front of a real project. */
const project = await takeProject()
const running: { stop(): Promise<void> }[] = []

afterEach(async () => {
  await project.control('DELETE', 'faults')
  await Promise.all(running.splice(0).map(each => each.stop()))
})

async function daemon(overrides: Readonly<Record<string, string>> = {}) {
  const started = await startDaemonWithDoors(project, { SWEEP_INTERVAL: '1s', ...overrides })
  running.push(started)
  return started
}

const readyz = z.object({ status: z.string(), reasons: z.array(z.string()) })

const post = (url: string, path: string, body: unknown = {}) =>
  fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify(body),
  })

test('a file is seen from its arrival to its bytes', async () => {
  const { url, settled, until } = await daemon()
  await until(entry => entry.msg === 'Realtime is heard')
  const message = await project.message('image', { fields: { caption: 'a ferry' } })
  await project.deliver(message)
  await settled(1)
  const { rows } = await readJson(fetch(`${url}/api/attachments?text=FERRY`), listShape)
  const [row] = rows
  assert.ok(row !== undefined && rows.length === 1)
  assert.equal(row.lead?.phone, '15550001234')
  const { attachment, events, preview } = await readJson(
    fetch(`${url}/api/attachments/${row.id}`),
    openedShape,
  )
  assert.equal(preview, 'image')
  assert.equal(events.at(-1)?.event, 'uploaded')

  const shown = await fetch(`${url}/api/attachments/${row.id}/file`)
  assert.equal(shown.headers.get('content-type'), 'image/jpeg')
  assert.equal((await shown.arrayBuffer()).byteLength, attachment.size_bytes)
  const saved = await fetch(`${url}/api/attachments/${row.id}/file?download=1`, { redirect: 'manual' })
  assert.equal(saved.status, 302)
  assert.ok(new URL(saved.headers.get('location') ?? '').searchParams.get('download')?.endsWith('.jpg'))

  const summary = await readJson(fetch(`${url}/api/summary`), summaryShape)
  assert.equal(summary.counts.UPLOADED, 1)
  assert.equal(summary.realtime.hearing, true)
  assert.deepEqual(summary.ready, { status: 'ready', reasons: [] })
  assert.equal(summary.daemons.find(({ worker }) => worker === summary.worker)?.alive, true)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  assert.match(metrics, /^mediaferry_settled_total\{outcome="uploaded",reason="none"\} 1$/m)
  assert.match(metrics, /^mediaferry_attachments\{status="UPLOADED"\} 1$/m)
  assert.match(metrics, /^mediaferry_horizon_lag_transactions \d+$/m)
  assert.match(metrics, /^mediaferry_claim_rows_count [1-9]/m)
})

test('a dead token is told with what to do, and everything goes on when it is mended', async () => {
  const { url } = await daemon()
  await project.control('POST', 'faults', { on: 'graph', fault: 'error', code: 190 })
  const message = await project.message('image')
  await project.deliver(message)
  await eventually(async () => {
    const answer = await fetch(`${url}/readyz`)
    assert.equal(answer.status, 503)
    const { reasons } = await readJson(answer, readyz)
    assert.match(reasons.join(' '), /whatsapp: .*set WHATSAPP_ACCESS_TOKEN and restart/)
  })
  const { circuits } = await readJson(fetch(`${url}/api/summary`), summaryShape)
  const whatsapp = circuits.find(({ dependency }) => dependency === 'whatsapp')
  assert.equal(whatsapp?.code, 'token_rejected')
  // Long before the next beat, which is half a minute away.
  const told = () =>
    project.database.query(
      `select circuits ->> 'whatsapp' as whatsapp from public.realtime_canary where state = 'running'`,
    )
  await eventually(async () => assert.ok(['open', 'probing'].includes((await told()).rows[0]?.whatsapp)))
  assert.ok(Date.now() - Date.parse(whatsapp?.since ?? '') < 60_000)
  await project.control('DELETE', 'faults')
  await eventually(async () => assert.equal((await fetch(`${url}/readyz`)).status, 200))
  await eventually(async () => assert.equal((await told()).rows[0]?.whatsapp, 'closed'))
  await eventually(async () => assert.equal((await rowOf(project, message.id)).upload_status, 'UPLOADED'))
})

test('pause, retry and resume from the page, each told in system_events', async () => {
  const { url, settled } = await daemon()
  const message = await project.message('image')
  // Gone (Graph 100/33) is FAILED at once, when the token itself still works.
  await project.control('POST', 'faults', {
    on: 'graph',
    only: 'media',
    fault: 'error',
    code: 100,
    subcode: 33,
  })
  await project.deliver(message)
  await settled(1)
  const { id, upload_status, error_code } = await rowOf(project, message.id)
  assert.deepEqual([upload_status, error_code], ['FAILED', 'media_gone'])
  await project.control('DELETE', 'faults')
  assert.equal((await readJson(fetch(`${url}/api/failures`), failuresShape)).codes[0]?.code, 'media_gone')
  const { paused } = await readJson(post(url, '/api/pause', { reason: 'lunch' }), pausedShape)
  assert.equal(paused?.reason, 'lunch')
  const shown = await readJson(fetch(`${url}/api/summary`), summaryShape)
  assert.equal(shown.paused?.changed_by, 'dashboard')
  const { retried } = await readJson(post(url, `/api/attachments/${id}/retry`), retriedIdsShape)
  assert.deepEqual(retried, [Number(id)])
  assert.ok((await eventsOf(project, id)).includes('retry_requested'))
  await eventually(async () =>
    assert.equal((await readJson(fetch(`${url}/readyz`), readyz)).status, 'degraded'),
  )
  const states = async () =>
    (await project.database.query('select state from public.realtime_canary')).rows.map(({ state }) => state)
  await eventually(async () => assert.ok((await states()).includes('paused')))
  assert.equal((await readJson(post(url, '/api/resume'), pausedShape)).paused, null)
  await eventually(async () => assert.equal((await rowOf(project, message.id)).upload_status, 'UPLOADED'))
  const { rows } = await project.database.query(
    `select event, detail ->> 'changed_by' as who from public.system_events
     where event in ('paused', 'resumed') and detail ->> 'changed_by' = 'dashboard' order by id`,
  )
  await eventually(async () => assert.ok(!(await states()).includes('paused')))
  assert.deepEqual(rows, [
    { event: 'paused', who: 'dashboard' },
    { event: 'resumed', who: 'dashboard' },
  ])
})

test('the doors close last: until then they say that it is draining', async () => {
  const started = await startDaemonWithDoors(project, { SWEEP_INTERVAL: '1s' })
  const stream = await fetch(`${started.url}/api/live`)
  await started.stop()
  const text = await stream.text()
  assert.match(text, /event: summary/)
  await assert.rejects(fetch(`${started.url}/livez`))
})

test('a port that is taken ends the start with what to set, and nothing stays open', async () => {
  const { url } = await daemon()
  const taken = startDaemonWithDoors(project, { OPS_PORT: new URL(url).port })
  await assert.rejects(
    taken,
    (error: unknown) => error instanceof UserError && /OPS_PORT/.test(error.hint ?? ''),
  )
})
