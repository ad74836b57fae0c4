import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, afterEach, test } from 'node:test'
import { deliver } from '../supabase/functions/real-function.ts'
import {
  bytesOf,
  imageMessage,
  messagesValue,
  webhook,
} from '../supabase/functions/whatsapp-webhook/samples.ts'
import { startTestDaemon, type TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { arrange, assertCarried, eventsOf, rowOf, storyOf } from '../support/rows.ts'

const project = await takeProject()
const running: TestDaemon[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.stop()))
  await project.control('DELETE', 'faults')
  await project.database.query('truncate public.attachments, public.system_events cascade')
})

async function daemon(overrides: Readonly<Record<string, string>> = {}): Promise<TestDaemon> {
  const started = await startTestDaemon(project, overrides)
  running.push(started)
  return started
}

/** A Graph API that answers every media id with an error of those words; its probe is content. */
let words = ''
const graph = createServer((incoming, answer) => {
  const isMedia = /^\/v25\.0\/\d{16}/.test(incoming.url ?? '')
  const error = { message: words, type: 'OAuthException', code: 100, fbtrace_id: 'x' }
  answer.writeHead(isMedia ? 400 : 200, { 'content-type': 'application/json' })
  answer.end(JSON.stringify(isMedia ? { error } : { id: '106540352242922' }))
})
await new Promise<void>(resolve => graph.listen(0, '127.0.0.1', resolve))
after(() => {
  graph.closeAllConnections()
  graph.close()
})
const address = graph.address()
const graphUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`

const codePoints = (text: string | null): number => Array.from(text ?? '').length

for (const [name, said, expected] of [
  ['emoji are cut between code points', '😀'.repeat(600), /😀$/],
  ['letters with a trailing half of a pair', `${'a'.repeat(400)}\ud83d${'b'.repeat(400)}`, /a\ufffdb+$/],
  ['NUL and control characters', `a\u0000b\u0007c${'d'.repeat(600)}`, /a b cd+$/],
] as const) {
  test(`truncation: ${name}`, async () => {
    words = said
    const message = await project.message('image')
    await project.deliver(message)
    const carrier = await daemon({ WHATSAPP_GRAPH_URL: graphUrl })
    await carrier.settled(1)
    const row = await rowOf(project, message.id)
    assert.deepEqual(
      [row.upload_status, row.upload_attempts, row.error_code],
      ['PENDING', 1, 'whatsapp_unknown'],
    )
    assert.equal(codePoints(row.error_message), 500)
    assert.ok(row.error_message?.isWellFormed())
    assert.match(row.error_message ?? '', expected)
    const [, told] = await storyOf(project, row.id)
    assert.equal(told?.detail.error_message, row.error_message, 'the story says the same')
  })
}

test('truncation: what WhatsApp says of a message without a file', async () => {
  const details = '👩‍👩‍👧'.repeat(300)
  const bad = imageMessage({
    id: 'wamid.long',
    type: 'unsupported',
    image: undefined,
    errors: [{ code: 131051, title: 'T', error_data: { details } }],
  })
  const body = bytesOf(webhook(messagesValue([bad])))
  assert.equal(await deliver(project.webhookUrl, project.appSecret, body), 200)
  const row = await rowOf(project, 'wamid.long')
  assert.equal(codePoints(row.error_message), 500)
  assert.ok(details.startsWith(row.error_message ?? 'nothing'))
})

test('no secret and no address gets into a row, the story or the log', async () => {
  const { accessToken, secretKey } = project
  words = `Bearer ${accessToken} at https://lookaside.fbsbx.com/x?ext=1&hash=Abc with ${secretKey} and ${accessToken}`
  const message = await project.message('image')
  await project.deliver(message)
  const carrier = await daemon({ WHATSAPP_GRAPH_URL: graphUrl })
  await carrier.settled(1)
  await carrier.stop()
  const { rows } = await project.database.query(
    `select to_jsonb(a)::text as text from public.attachments a
     union all select to_jsonb(e)::text from public.system_events e`,
  )
  assert.ok(rows.some(({ text }) => text.includes('whatsapp_unknown')))
  const everything = [...rows.map(({ text }) => text), ...carrier.entries.map(entry => JSON.stringify(entry))]
  for (const text of everything) {
    assert.ok(!text.includes(accessToken) && !text.includes(secretKey), `a secret: ${text}`)
    assert.doesNotMatch(text, /https?:\/\/|hash=Abc/)
  }
})

test('system events: every outcome of an attempt is told once, with its numbers', async () => {
  const [uploaded, retried, exhausted, refused] = await Promise.all(
    Array.from({ length: 4 }, () => project.message('image')),
  )
  assert.ok(uploaded && retried && exhausted && refused)
  for (const { media } of [retried, exhausted]) {
    await project.control('POST', 'faults', { on: 'media', fault: 'wrong_hash', mediaId: media.id })
  }
  await project.control('POST', 'faults', {
    on: 'graph',
    fault: 'error',
    code: 131051,
    mediaId: refused.media.id,
  })
  await project.deliver(uploaded, retried, exhausted, refused)
  await arrange(project, exhausted.id, 'upload_attempts = 4')
  const carrier = await daemon()
  await carrier.settled(4)

  const carried = await assertCarried(project, uploaded)
  const told = async (message: { readonly id: string }) => {
    const { id } = await rowOf(project, message.id)
    const [received, ...rest] = await storyOf(project, id)
    assert.deepEqual([received?.event, received?.detail], ['received', { kind: 'image' }])
    assert.equal(rest.length, 1)
    const [last] = rest
    assert.equal(last?.worker, carrier.worker)
    const { error_message: text, ...detail } = last?.detail ?? {}
    return { event: last?.event, detail, hasText: typeof text === 'string' && text !== '' }
  }
  assert.deepEqual(await told(uploaded), {
    event: 'uploaded',
    hasText: false,
    detail: {
      claim_token: 1,
      attempt: 1,
      max_attempts: 5,
      object_key: carried.object_key,
      content_type: 'image/jpeg',
      size_bytes: Number(carried.size_bytes),
      sha256: carried.sha256,
      verified: true,
    },
  })
  const integrity = { claim_token: 1, max_attempts: 5, error_code: 'integrity' }
  assert.deepEqual(await told(retried), {
    event: 'retry',
    hasText: true,
    detail: { ...integrity, attempt: 1, retry_in_ms: 300_000 },
  })
  assert.deepEqual(await told(exhausted), {
    event: 'failed',
    hasText: true,
    detail: { ...integrity, attempt: 5 },
  })
  assert.deepEqual(await told(refused), {
    event: 'failed',
    hasText: true,
    detail: { claim_token: 1, max_attempts: 5, attempt: 1, error_code: 'media_unsupported' },
  })
})

test('system events: an outage is told twice, however many files it holds up', async () => {
  const messages = await Promise.all(Array.from({ length: 12 }, () => project.message('sticker')))
  await project.control('POST', 'faults', { on: 'graph', fault: 'error', code: 190, times: messages.length })
  await project.deliver(...messages)
  const carrier = await daemon({ CONCURRENCY: '4' })
  const uploaded = (entry: Readonly<Record<string, unknown>>) =>
    entry.msg === 'settled' && entry.outcome === 'uploaded'
  await carrier.until(entry => entry.msg === 'circuit opened')
  await project.control('DELETE', 'faults')
  await carrier.until(uploaded, messages.length)
  for (const message of messages) {
    const row = await assertCarried(project, message)
    assert.deepEqual(await eventsOf(project, row.id), ['received', 'uploaded'])
  }
  const { rows } = await project.database.query(
    `select event, worker, detail ->> 'dependency' as dependency, detail ->> 'code' as code,
       detail ->> 'advice' <> '' as advises
     from public.system_events where event like 'circuit%' order by id`,
  )
  const outage = { worker: carrier.worker, dependency: 'whatsapp', code: 'token_rejected' }
  assert.deepEqual(rows, [
    { event: 'circuit_opened', ...outage, advises: true },
    { event: 'circuit_closed', ...outage, advises: null },
  ])
})
