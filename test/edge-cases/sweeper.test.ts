import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { daemonEnvironment, startTestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { arrange, assertCarried, rowOf } from '../support/rows.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const project = await takeProject()
const folder = mkdtempSync(join(tmpdir(), 'mediaferry-sweeper-'))
after(() => rmSync(folder, { recursive: true, force: true }))
afterEach(async () => {
  await project.control('DELETE', 'faults')
  await project.database.query('delete from public.attachments')
})

/** `mediaferry sweep`, as cron runs it: a process that ends by itself. */
function sweep(...args: readonly string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, [CLI, 'sweep', ...args], {
    cwd: folder,
    env: {
      ...BARE_ENVIRONMENT,
      ...daemonEnvironment(project, join(folder, 'state.sqlite')),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', chunk => {
    out += chunk
  })
  return new Promise(resolve => child.once('close', code => resolve({ code, out })))
}

async function deliver(count: number) {
  const messages = await Promise.all(Array.from({ length: count }, () => project.message('sticker')))
  await project.deliver(...messages)
  return messages
}

const SKIPPED_ONE = '; 1 skipped, tried less than RETRY_DELAY ago\n'

const rowsOf = (messages: readonly { readonly id: string }[]) =>
  Promise.all(messages.map(({ id }) => rowOf(project, id)))

test('limit: so many and no more, first those that Meta deletes next, then those that waited longest', async () => {
  const messages = await deliver(5)
  const [fresh, waited, expiring, , longest] = messages
  await arrange(project, waited?.id ?? '', `next_attempt_at = now() - interval '2 hours'`)
  await arrange(project, expiring?.id ?? '', `expires_at = now() + interval '3 hours'`)
  await arrange(project, longest?.id ?? '', `next_attempt_at = now() - interval '3 hours'`)
  assert.deepEqual(await sweep('--limit', '3'), { code: 0, out: '3 uploaded\n' })
  const rows = await rowsOf(messages)
  assert.deepEqual(
    rows.map(row => row.upload_status),
    ['PENDING', 'UPLOADED', 'UPLOADED', 'PENDING', 'UPLOADED'],
  )
  const untouched = await rowOf(project, fresh?.id ?? '')
  assert.deepEqual([untouched.claim_token, untouched.upload_attempts], ['0', 0], 'never even claimed')
})

test('status filter: what is settled, held by a living worker or not due yet is left alone', async () => {
  const messages = await deliver(6)
  const [settled, failed, held, early, dead, damaged] = messages
  const uploading = `upload_status = 'UPLOADING', claim_token = 1, leased_by = 'another'`
  await arrange(
    project,
    settled?.id ?? '',
    `upload_status = 'UPLOADED', claim_token = 1, upload_attempts = 1, object_key = object_prefix || '/' || id || '-1.webp',
      content_type = 'image/webp', size_bytes = 1, sha256 = declared_sha256, uploaded_at = now()`,
  )
  await arrange(project, failed?.id ?? '', `upload_status = 'FAILED', error_code = 'media_gone'`)
  await arrange(project, held?.id ?? '', `${uploading}, leased_until = now() + interval '1 minute'`)
  await arrange(
    project,
    early?.id ?? '',
    `upload_attempts = 1, next_attempt_at = now() + interval '1 minute'`,
  )
  await arrange(project, dead?.id ?? '', `${uploading}, leased_until = now() - interval '1 second'`)
  await arrange(project, damaged?.id ?? '', `upload_status = 'UPLOADING', claim_token = 1`)
  const before = await rowsOf(messages)
  assert.deepEqual(await sweep(), { code: 0, out: `2 uploaded${SKIPPED_ONE}` })
  const now = await rowsOf(messages)
  assert.deepEqual(now.slice(0, 4), before.slice(0, 4))
  for (const [message, lostLeases] of [
    [dead, 1],
    [damaged, 0],
  ] as const) {
    assert.ok(message !== undefined)
    assert.equal((await assertCarried(project, message, { attempts: 1, lostLeases })).claim_token, '2')
  }
})

test('max attempts: the last one ends FAILED, and no sweep comes back to it', async () => {
  const [last, first] = await deliver(2)
  assert.ok(last !== undefined && first !== undefined)
  await project.control('POST', 'faults', { on: 'media', fault: 'wrong_hash' })
  await arrange(project, last.id, 'upload_attempts = max_attempts - 1')
  assert.deepEqual(await sweep(), { code: 1, out: '1 retry, 1 failed\n' })
  const failed = await rowOf(project, last.id)
  assert.deepEqual([failed.upload_status, failed.upload_attempts], ['FAILED', failed.max_attempts])
  const waiting = await rowOf(project, first.id)
  assert.deepEqual([waiting.upload_status, waiting.upload_attempts], ['PENDING', 1], 'once in a sweep')
  assert.deepEqual(await sweep(), { code: 0, out: `nothing is due${SKIPPED_ONE}` })
  assert.deepEqual(await rowsOf([last, first]), [failed, waiting])
})

test('paused: a sweep claims nothing, and what waited is there when the pipeline goes on', async t => {
  const pause = (paused: boolean) =>
    project.database.query('select public.set_pipeline_paused($1, $2, null)', [paused, 'test'])
  const messages = await deliver(2)
  const before = await rowsOf(messages)
  await pause(true)
  t.after(() => pause(false))
  const { code, out } = await sweep()
  assert.equal(code, 1)
  assert.match(out, /paused/)
  assert.deepEqual(await rowsOf(messages), before)
  await pause(false)
  assert.deepEqual(await sweep(), { code: 0, out: '2 uploaded\n' })
})

test('beside a daemon, and beside another sweep: nothing is claimed twice', async t => {
  const carrier = await startTestDaemon(project, { CONCURRENCY: '1' })
  t.after(() => carrier.stop())
  const messages = await deliver(40)
  const sweeps = await Promise.all([sweep('--limit', '10'), sweep('--limit', '10')])
  for (const { code, out } of sweeps) {
    assert.equal(code, 0)
    assert.match(out, /^\d+ uploaded$|^nothing is due$/m)
  }
  const bySweeps = sweeps.reduce((sum, { out }) => sum + (Number.parseInt(out, 10) || 0), 0)
  await carrier.settled(messages.length - bySweeps)
  for (const message of messages) {
    assert.equal((await assertCarried(project, message)).claim_token, '1')
  }
})

test('an outage ends a sweep at once, with 1, and costs nobody an attempt', async () => {
  const messages = await deliver(3)
  await project.control('POST', 'faults', { on: 'graph', fault: 'error', code: 190 })
  const { code, out } = await sweep()
  assert.equal(code, 1)
  assert.match(out, /^\d+ interrupted; whatsapp is down/m)
  for (const row of await rowsOf(messages)) {
    assert.deepEqual([row.upload_status, row.upload_attempts, row.leased_by], ['PENDING', 0, null])
  }
})
