import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { daemonEnvironment } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const project = await takeProject()
const folder = mkdtempSync(join(tmpdir(), 'mediaferry-cli-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** The command as its user runs it, in a folder without a `.env`. */
function run(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: folder,
    env: { ...BARE_ENVIRONMENT, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  const ended = new Promise<Ended>(resolve => {
    child.once('close', code => resolve({ code, out, err }))
  })
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => out.includes(text) && resolve()
      child.stdout.on('data', look)
      ended.then(({ err: words }) => reject(new Error(`it ended without saying "${text}": ${words}`)))
      look()
    })
  child.stdout.on('data', chunk => {
    out += chunk
  })
  child.stderr.on('data', chunk => {
    err += chunk
  })
  return { child, ended, says }
}

const good = daemonEnvironment(project, join(folder, 'state.sqlite'))

test('start names every fault of its settings at once and exits with 1', async () => {
  const { code, out, err } = await run(['start'], { CONCURRENCY: 'many' }).ended
  assert.equal(code, 1)
  assert.equal(out, '')
  for (const name of ['SUPABASE_URL', 'SUPABASE_SECRET_KEY', 'WHATSAPP_ACCESS_TOKEN', 'CONCURRENCY']) {
    assert.match(err, new RegExp(`- ${name} `))
  }
  assert.match(err, /\.env\.example/)
})

test('start works until SIGTERM, then exits with 0 and holds no claim', async () => {
  const daemon = run(['start'], good)
  await daemon.says('"msg":"ready"')
  const message = await project.message('audio')
  await project.deliver(message)
  await daemon.says('"outcome":"uploaded"')
  daemon.child.kill('SIGTERM')
  const { code, out } = await daemon.ended
  assert.equal(code, 0)
  assert.match(out, /"msg":"stopped"/)
  assert.ok(!out.includes(project.accessToken) && !out.includes(project.secretKey), 'no secret in the log')
  const { rows } = await project.database.query(
    'select 1 from public.attachments where leased_by is not null',
  )
  assert.equal(rows.length, 0)
})

test('a daemon that cannot reach the database waits for it, and stops when told', async () => {
  const closedPort = {
    ...good,
    SUPABASE_URL: 'http://127.0.0.1:9',
    STATE_FILE: join(folder, 'elsewhere.sqlite'),
  }
  const daemon = run(['start'], closedPort)
  await daemon.says('"msg":"circuit opened"')
  daemon.child.kill('SIGTERM')
  const { code, out } = await daemon.ended
  assert.equal(code, 0)
  assert.match(out, /"dependency":"database"/)
  assert.match(out, /"msg":"stopped"/)
})

test('a second daemon on the same state file is refused and says what to do', async () => {
  const first = run(['start'], good)
  await first.says('"msg":"ready"')
  const { code, err } = await run(['start'], good).ended
  assert.equal(code, 1)
  assert.match(err, /in use by another process/)
  assert.match(err, /STATE_FILE/)
  first.child.kill('SIGTERM')
  assert.equal((await first.ended).code, 0)
})

test('sweep carries no more than its limit, says what it did, and needs no daemon', async () => {
  const messages = await Promise.all(Array.from({ length: 5 }, () => project.message('sticker')))
  await project.deliver(...messages)
  const ids = messages.map(message => message.id)
  const uploaded = async () => {
    const { rows } = await project.database.query(
      `select 1 from public.attachments where message_id = any ($1) and upload_status = 'UPLOADED'`,
      [ids],
    )
    return rows.length
  }
  const first = await run(['sweep', '--limit', '3', '--verbose'], good).ended
  assert.equal(first.code, 0, first.err)
  assert.match(first.out, /3 uploaded$/m)
  assert.equal(await uploaded(), 3)
  const second = await run(['sweep'], good).ended
  assert.match(second.out, /^2 uploaded$/m)
  const third = await run(['sweep'], good).ended
  assert.match(third.out, /^nothing is due$/m)
  assert.equal(await uploaded(), 5)
})

test('sweep exits with 1 when something did not arrive', async () => {
  const message = await project.message('image')
  await project.control('POST', 'faults', { on: 'media', fault: 'wrong_hash', mediaId: message.media.id })
  await project.deliver(message)
  const { code, out } = await run(['sweep'], good).ended
  assert.equal(code, 1)
  assert.match(out, /^1 retry$/m)
})

test('sweep says that the database is down, and exits with 1', async () => {
  const { code, out } = await run(['sweep'], { ...good, SUPABASE_URL: 'http://127.0.0.1:9' }).ended
  assert.equal(code, 1)
  assert.match(out, /^database is down: /m)
})

test('status tells the counts, as text and as JSON', async () => {
  const text = await run(['status'], good).ended
  assert.equal(text.code, 0, text.err)
  assert.match(text.out, /^UPLOADED +\d+$/m)
  const json = await run(['status', '--json'], good).ended
  assert.equal(typeof JSON.parse(json.out).counts.UPLOADED, 'number')
})

test('an unknown command is an error that names the way to help', async () => {
  const { code, err } = await run(['fly'], good).ended
  assert.equal(code, 1)
  assert.match(err, /unknown command/)
  assert.match(err, /--help/)
})

test('retry gives a FAILED row its attempts back, pause and resume hold and free the claims', async () => {
  const message = await project.message('image')
  await project.deliver(message)
  const { rows } = await project.database.query(
    `update public.attachments
     set upload_status = 'FAILED', upload_attempts = 5, error_code = 'integrity', error_message = 'test'
     where message_id = $1 returning id`,
    [message.id],
  )
  const id = String(rows[0]?.id)
  assert.equal((await run(['pause', '--reason', 'test'], good).ended).code, 0)
  const retried = await run(['retry', id], good).ended
  assert.equal(retried.code, 0, retried.err)
  assert.match(retried.out, /^1 will be tried again$/m)
  const again = await run(['retry', id], good).ended
  assert.equal(again.code, 1)
  assert.match(again.err, new RegExp(`left alone: ${id}`))
  assert.match((await run(['status'], good).ended).out, /^Paused since .* \(test\)/m)
  assert.match((await run(['sweep'], good).ended).out, /pipeline is paused/)
  assert.equal((await run(['resume'], good).ended).code, 0)
  const { out } = await run(['sweep'], good).ended
  assert.match(out, /^1 uploaded; 1 skipped, tried less than RETRY_DELAY ago$/m)
})

test('retry says which id is no attachment, and which codes there are', async () => {
  const missing = await run(['retry', '999999'], good).ended
  assert.equal(missing.code, 1)
  assert.match(missing.err, /^there is no attachment 999999$/m)
  const typo = await run(['retry', '--failed', '--code', 'integritty'], good).ended
  assert.equal(typo.code, 1)
  assert.match(typo.err, /No FAILED file has that code; (none is FAILED|there are: \w+ \d+)/)
})

test('retry without a row to retry says how to name one', async () => {
  const { code, err } = await run(['retry'], good).ended
  assert.equal(code, 1)
  assert.match(err, /retry --failed/)
})

test("replay sends a file of one's own, signed, as often as asked", async () => {
  const file = join(folder, 'offer.pdf')
  writeFileSync(file, '%PDF-1.4\n%%EOF\n')
  const args = ['replay', '--document', '--from', '+1 555 000-7777', '--file', file, '--count', '2']
  const { code, out, err } = await run(args, {
    ...good,
    WHATSAPP_APP_SECRET: project.appSecret,
    WHATSAPP_VERIFY_TOKEN: 'v',
  }).ended
  assert.equal(code, 0, err)
  assert.match((await run(['sweep'], good).ended).out, /^2 uploaded/m)
  const { rows } = await project.database.query(
    `select a.file_name, a.upload_status, a.content_type, l.phone
     from public.attachments a join public.leads l on l.id = a.lead_id
     where a.message_id = any ($1)`,
    [out.trim().split('\n')],
  )
  const arrived = {
    file_name: 'offer.pdf',
    upload_status: 'UPLOADED',
    content_type: 'application/pdf',
    phone: '15550007777',
  }
  assert.deepEqual(rows, [arrived, arrived])
})

test('replay against anything but the simulator, without a kind, or with a wrong secret is an error', async () => {
  const whole = { ...good, WHATSAPP_APP_SECRET: project.appSecret, WHATSAPP_VERIFY_TOKEN: 'v' }
  const args = ['replay', '--image', '--from', '15550007777']
  const meta = await run(args, { ...whole, WHATSAPP_GRAPH_URL: 'https://graph.facebook.com' }).ended
  assert.equal(meta.code, 1)
  assert.match(meta.err, /mediaferry -- dev/)
  const kindless = await run(['replay', '--from', '15550007777'], whole).ended
  assert.match(kindless.err, /--sticker/)
  const unsigned = await run(args, { ...whole, WHATSAPP_APP_SECRET: 'wrong' }).ended
  assert.equal(unsigned.code, 1)
  assert.match(unsigned.err, /answered 401/)
})
