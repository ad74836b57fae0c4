import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { overviewText } from '../../src/commands/status/overview.ts'
import { openStatus, type Story } from '../../src/commands/status/read.ts'
import { eventLine, nextStep, storyText } from '../../src/commands/status/story.ts'
import { watch } from '../../src/commands/status/watch.ts'
import { lookOf } from '../../src/commands/terminal.ts'
import { takeProject } from '../support/project.ts'

const project = await takeProject()
const output = (terminal: boolean) => Object.assign(Object.create(process.stdout), { isTTY: terminal })
const pipe = lookOf(output(false))

async function withStatus<T>(use: (reader: ReturnType<typeof openStatus>) => Promise<T>): Promise<T> {
  const reader = openStatus({ url: project.url, key: project.secretKey }, 30_000)
  try {
    return await use(reader)
  } finally {
    await reader.close()
  }
}

/** A file that arrived and failed twice, with a caption that would like to rule the terminal. */
async function failedOne(): Promise<number> {
  const message = await project.message('document', {
    fields: { caption: 'look\u001b[2J here\u202e\nsecond line', fileName: 'offer.pdf' },
  })
  await project.deliver(message)
  const { rows } = await project.database.query(
    `update public.attachments
     set upload_status = 'FAILED', upload_attempts = 5, error_code = 'integrity', error_message = '3 bytes, not 4'
     where message_id = $1 returning id`,
    [message.id],
  )
  const id = Number(rows[0]?.id)
  await project.database.query(
    `insert into public.system_events (attachment_id, worker, event, detail) values
       ($1, 'w1', 'retry', '{"attempt": 1, "max_attempts": 5, "error_code": "integrity", "retry_in_ms": 300000}'),
       ($1, 'w1', 'something_new', '{"a": "<b>\\u001b"}')`,
    [id],
  )
  return id
}

async function storyOf(id: number): Promise<Story> {
  const story = await withStatus(reader => reader.story(id))
  assert.ok(story !== undefined)
  return story
}

test('one attachment tells who sent it, why it failed, what to do and what happened', async () => {
  const text = storyText(await storyOf(await failedOne()), pipe, Date.now())
  assert.match(text, /is FAILED, 5 of 5 attempts used/)
  assert.match(text, /from +15550001234/)
  assert.match(text, /file +document, application\/pdf, offer\.pdf/)
  assert.match(text, /Why: What arrived differs in size or SHA-256/)
  assert.match(text, /\(integrity: 3 bytes, not 4\)/)
  assert.match(text, /Next: Ask the sender.*`mediaferry retry \d+`/)
  assert.match(
    text,
    /the webhook told us of it\n.*attempt 1 of 5 failed, again in 5m: integrity.* by w1\n.*something_new/,
  )
})

test('hostile text is shown as text, on its own line', async () => {
  const text = storyText(await storyOf(await failedOne()), pipe, Date.now())
  assert.match(text, /caption +look \[2J here second line$/m)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202a-\u202e]/)
})

test('an attachment that is not there is undefined', async () => {
  assert.equal(await withStatus(reader => reader.story(999_999_999)), undefined)
})

test('what to do next: paused, no daemon, waiting, in hand, arrived', async () => {
  const story = await storyOf(await failedOne())
  const now = Date.parse('2026-01-01T00:00:00Z')
  const row: Story['attachment'] = { ...story.attachment, error_code: null, id: 7 }
  const running = {
    ...story.summary,
    paused: null,
    daemons: [
      { worker: 'w', beat: 1, state: 'running', circuits: {}, version: '1', last_seen: '', alive: true },
    ],
  }
  const say = (changes: Partial<typeof row>, summary: typeof story.summary = running) =>
    nextStep({ ...story, attachment: { ...row, ...changes }, summary }, now)
  const waiting = { upload_status: 'PENDING', next_attempt_at: '2026-01-01T00:05:00Z' } as const
  assert.match(say(waiting), /by itself at 2026-01-01 00:05:00Z, in 5m/)
  assert.match(say({ ...waiting, next_attempt_at: '2025-12-31T00:00:00Z' }), /It is due/)
  assert.match(say({ ...waiting, error_code: 'rate_limited' }), /the limit passes by itself/)
  assert.match(say(waiting, { ...running, daemons: [] }), /mediaferry start/)
  const silent = running.daemons.map(daemon => ({ ...daemon, alive: false }))
  assert.match(say(waiting, { ...running, daemons: silent }), /mediaferry start/)
  const paused = { changed_by: null, reason: null, changed_at: '2026-01-01T00:00:00Z' }
  assert.match(say(waiting, { ...running, paused }), /mediaferry resume/)
  const claimed = { upload_status: 'UPLOADING', leased_until: '2026-01-01T00:00:30Z' } as const
  assert.match(say(claimed), /has it in hand/)
  assert.match(say({ ...claimed, leased_until: null }), /is gone/)
  assert.match(say({ ...claimed, leased_until: null }, { ...running, daemons: [] }), /mediaferry start/)
  assert.match(say({ ...claimed, leased_until: null, lost_leases: 2 }), /after a pause/)
  assert.match(say({ upload_status: 'UPLOADED' }), /mediaferry url 7/)
  const failed = { upload_status: 'FAILED' } as const
  assert.match(say({ ...failed, error_code: 'worker_lost' }), /mediaferry retry 7/)
  assert.doesNotMatch(say({ ...failed, error_code: '131051' }), /mediaferry retry/)
})

test('a file that ended for good, and one that is tried again, are told so', async () => {
  const story = await storyOf(await failedOne())
  const at = Date.parse('2026-01-01T00:00:00Z')
  const daemon = {
    worker: 'w',
    beat: 1,
    state: 'running',
    circuits: {},
    version: '1',
    last_seen: '',
    alive: true,
  }
  const of = (changes: Partial<Story['attachment']>): Story => ({
    ...story,
    summary: { ...story.summary, paused: null, daemons: [daemon] },
    attachment: { ...story.attachment, id: 7, ...changes },
  })
  const gone = of({ error_code: 'media_gone' })
  assert.equal(
    nextStep(gone, at),
    'Ask the sender to send it again. Only if the token lacked a permission: mend that, then `mediaferry retry 7`.',
  )
  assert.doesNotMatch(storyText(gone, pipe, at), /Meta keeps/)
  assert.match(storyText(of({ lead_id: 6 }), pipe, at), /^ +from +15550001234.* \(lead 6\)$/m)
  for (const error_code of ['integrity', 'storage_locked', 'whatsapp_timeout', 'whatsapp_unknown']) {
    assert.doesNotMatch(nextStep(of({ error_code }), at), /by itself|attempts left|Nothing/, error_code)
  }
  const waiting = of({
    upload_status: 'PENDING',
    upload_attempts: 1,
    next_attempt_at: '2026-01-01T00:05:00Z',
  })
  assert.equal(
    nextStep(waiting, at),
    'It is tried again by itself at 2026-01-01 00:05:00Z, in 5m. Should it end FAILED: Ask the sender to send the file again.',
  )
})

test('while WhatsApp refuses the token, the list and the waiting file say why nothing moves', async () => {
  const id = await failedOne()
  const detail = (message: string) =>
    JSON.stringify({ dependency: 'whatsapp', code: 'token_rejected', message, advice: 'Mend it.' })
  await project.database.query(
    `update public.attachments set upload_status = 'PENDING', upload_attempts = 0, error_code = null where id = ${id}`,
  )
  await project.database.query(
    `insert into public.system_events (event, detail)
     values ('circuit_opened', $1), ('circuit_opened', $2), ('circuit_opened', '{"dependency": "storage"}')`,
    [detail('Older.'), detail('The token\u001b has expired')],
  )
  await project.database.query(
    `insert into public.realtime_canary (worker, state, circuits, version)
     values ('here', 'running', '{"whatsapp": "open", "storage": "closed"}', '0.1')`,
  )
  try {
    const text = overviewText(await withStatus(reader => reader.overview(1)), pipe)
    const why = 'WhatsApp is not usable: The token has expired.'
    assert.ok(text.includes(`${why} Nothing is fetched, nothing is lost. What to do: Mend it.`), text)
    assert.match(text, /here {2}running {2}WhatsApp not usable {2}as of /)
    assert.doesNotMatch(text, /No daemon|Storage/)
    const next = nextStep(await storyOf(id), Date.now())
    assert.ok(
      next.includes(`it waits, because ${why} Mend it. It goes on by itself when that is mended.`),
      next,
    )
  } finally {
    await project.database.query(`delete from public.realtime_canary where worker = 'here'`)
  }
})

test('one payload and one attempt are one', async () => {
  const { summary } = await withStatus(reader => reader.overview(0))
  const text = (rejected: number) => overviewText({ summary: { ...summary, rejected }, newest: [] }, pipe)
  assert.match(text(1), /^1 webhook payload was not understood: `mediaferry rejected`$/m)
  assert.match(text(2), /^2 webhook payloads were not understood: `mediaferry rejected`$/m)
  const event = { id: 1, created_at: '2026-01-01T00:00:00Z', worker: null, event: 'retried' }
  assert.match(eventLine({ ...event, detail: { upload_attempts: 1 } }, pipe), /after 1 attempt \(/)
})

test('a retry that somebody asked for on the dashboard names who it was', () => {
  const at = '2026-01-01T00:00:00Z'
  const detail = { changed_by: 'dashboard', attachments: 1 }
  const event = { id: 1, created_at: at, worker: null, event: 'retry_requested', detail }
  assert.equal(eventLine(event, pipe), '  2026-01-01 00:00:00Z  that was asked for by dashboard')
})

test('an event of a later version is shown as it is', () => {
  const event = {
    id: 1,
    created_at: '2026-01-01T00:00:00Z',
    worker: null,
    event: 'new\u001b',
    detail: { a: 1 },
  }
  assert.equal(eventLine(event, pipe), '  2026-01-01 00:00:00Z  new {"a":1}')
})

test('the overview has the counts, the pause, silent daemons and the newest; plain in a pipe', async () => {
  const id = await failedOne()
  await project.database.query(`select public.set_pipeline_paused(true, 'ann', 'moving')`)
  await project.database.query(
    `insert into public.realtime_canary (worker, state, circuits, version, last_seen)
     values ('gone', 'running', '{"whatsapp": "open"}', '0.1', now() - interval '1 hour')`,
  )
  try {
    const overview = await withStatus(reader => reader.overview(3))
    const text = overviewText(overview, pipe)
    assert.match(text, /^FAILED +\d+$/m)
    assert.match(text, /^Paused since .* by ann \(moving\): `mediaferry resume` goes on$/m)
    assert.match(text, /^No daemon is running: `mediaferry start`$/m)
    assert.match(text, /gone {2}not seen lately {2}WhatsApp not usable {2}last seen/)
    assert.match(
      text,
      new RegExp(`^ *${id} .* FAILED +5/5 +15550001234 +document .* Integrity +offer.pdf$`, 'm'),
    )
    assert.ok(!text.includes('\u001b') && !text.includes('│'), 'neither colour nor lines')
    const drawn = overviewText(overview, lookOf(output(true)))
    assert.match(drawn, /│/)
  } finally {
    await project.database.query(`select public.set_pipeline_paused(false, 'ann', null)`)
    await project.database.query(`delete from public.realtime_canary where worker = 'gone'`)
  }
})

test('watching: a line for each change in a pipe, the whole picture on a terminal, trouble told once', async () => {
  const said = async (redraw: boolean) => {
    const answers = [1, 1, new Error('away'), new Error('away'), 2]
    const stop = new AbortController()
    const stream = new PassThrough()
    await watch<number>({
      read: async () => {
        const next = answers.shift()
        if (answers.length === 0) stop.abort()
        if (typeof next === 'number') return next
        throw next
      },
      draw: answer => `all of ${answer}`,
      lines: (answer, before) => (answer === before ? [] : [`now ${answer}`]),
      output: stream,
      redraw,
      everyMs: 1,
      signal: stop.signal,
    })
    return String(stream.read())
  }
  assert.equal(await said(false), 'now 1\ncannot look: away\nnow 2\n')
  const clear = '\u001b[H\u001b[J'
  assert.equal(
    await said(true),
    ['all of 1', 'all of 1', 'cannot look: away', 'cannot look: away', 'all of 2']
      .map(text => `${clear}${text}\n`)
      .join(''),
  )
})
