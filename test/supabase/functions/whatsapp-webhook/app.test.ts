import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWebhook } from '../../../../supabase/functions/whatsapp-webhook/app.ts'
import type { Batch } from '../../../../supabase/functions/whatsapp-webhook/batch.ts'
import { type Ingest, IngestError } from '../../../../supabase/functions/whatsapp-webhook/ingest.ts'
import { signBody } from '../../../../supabase/functions/whatsapp-webhook/sign.ts'
import { bytesOf, imageMessage, messagesValue, recordLog, webhook } from './samples.ts'

const SETTINGS = {
  supabaseUrl: 'http://x.invalid',
  supabaseKey: 'key',
  appSecrets: ['one', 'two'],
  verifyToken: 'token',
  bucket: 'files',
  maxAttempts: 7,
}

function setUp(
  options: { settings?: Partial<typeof SETTINGS> | { verifyToken: null }; ingest?: Ingest } = {},
) {
  const batches: Batch[] = []
  const { log, lines } = recordLog()
  const ingest: Ingest = async batch => {
    batches.push(batch)
    return (await options.ingest?.(batch)) ?? { new: batch.messages.length, duplicate: 0, rejected: 0 }
  }
  const app = createWebhook({ ...SETTINGS, ...options.settings }, ingest, log)
  const ask = async (query: string, init: RequestInit = {}) =>
    await app.request(`/whatsapp-webhook${query}`, init)
  const post = async (payload: unknown, secret = 'one') => {
    const body = bytesOf(payload)
    return await ask('', {
      method: 'POST',
      body,
      headers: { 'X-Hub-Signature-256': await signBody(secret, body) },
    })
  }
  return { app, ask, post, batches, lines }
}

const GOOD = webhook(messagesValue([imageMessage()]))
const HANDSHAKE = '?hub.mode=subscribe&hub.verify_token=token&hub.challenge=%3Cb%3E1158201444'

test('the handshake answers the raw challenge as plain text', async () => {
  const response = await setUp().ask(HANDSHAKE)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain/)
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
  assert.equal(await response.text(), '<b>1158201444')
})

test('any other GET is forbidden', async () => {
  const { ask } = setUp()
  const wrong = [
    '',
    '?hub.challenge=1',
    HANDSHAKE.replace('token=token', 'token=tokens'),
    HANDSHAKE.replace('token=token', 'token='),
  ]
  for (const query of [
    ...wrong,
    HANDSHAKE.replace('subscribe', 'x'),
    HANDSHAKE.replace('hub.challenge', 'challenge'),
  ]) {
    const response = await ask(query)
    assert.deepEqual([response.status, await response.text()], [403, 'Forbidden'], query)
  }
})

test('without a verify token of our own nobody can guess it, and messages still come in', async () => {
  const { ask, post } = setUp({ settings: { verifyToken: null } })
  assert.equal((await ask(HANDSHAKE.replace('token=token', 'token='))).status, 500)
  assert.equal((await post(GOOD)).status, 200)
})

test('without settings everything is 500', async () => {
  const { log, lines } = recordLog()
  const app = createWebhook(null, null, log)
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    assert.equal((await app.request(`/whatsapp-webhook${HANDSHAKE}`, { method })).status, 500, method)
  }
  assert.equal(lines.filter(({ level }) => level === 'error').length, 4)
})

test('other methods are 405 and told what is allowed', async () => {
  const { ask, batches } = setUp()
  for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']) {
    const response = await ask('', { method })
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, POST'], method)
  }
  assert.equal(batches.length, 0)
})

test('the path behind the function is of no matter', async () => {
  const { app } = setUp()
  for (const path of [
    '/',
    '/whatsapp-webhook/',
    '/whatsapp-webhook/x/y',
    '/functions/v1/whatsapp-webhook',
    '/%ff',
  ]) {
    assert.equal((await app.request(`${path}${HANDSHAKE}`)).status, 200, path)
  }
})

test('a delivery is one call with its bucket and attempts', async () => {
  const { post, batches, lines } = setUp()
  for (const secret of ['one', 'two']) assert.equal((await post(GOOD, secret)).status, 200)
  assert.equal(batches.length, 2)
  assert.equal(batches[0]?.messages[0]?.bucket, 'files')
  assert.equal(batches[0]?.messages[0]?.max_attempts, 7)
  assert.deepEqual([lines[0]?.event, lines[0]?.status, lines[0]?.new], ['delivery', 200, 1])
})

test('without the right signature nothing is stored', async () => {
  const { ask, post, batches } = setUp()
  const body = bytesOf(GOOD)
  assert.equal((await ask('', { method: 'POST', body })).status, 401)
  assert.equal((await post(GOOD, 'three')).status, 401)
  assert.equal((await post(GOOD, 'one,two')).status, 401)
  const pretty = await signBody('one', bytesOf(JSON.stringify(GOOD, null, 2)))
  assert.equal(
    (await ask('', { method: 'POST', body, headers: { 'x-hub-signature-256': pretty } })).status,
    401,
  )
  const sha1 = { 'x-hub-signature': await signBody('one', body) }
  assert.equal((await ask('', { method: 'POST', body, headers: sha1 })).status, 401)
  assert.equal(batches.length, 0)
})

test('nothing to store needs no call', async () => {
  const { post, batches } = setUp()
  assert.equal((await post(webhook(messagesValue([], { statuses: [{}] })))).status, 200)
  assert.equal(batches.length, 0)
})

test('a signed body that is no JSON is stored and answered 200', async () => {
  const { post, batches } = setUp()
  assert.equal((await post('{"entry":')).status, 200)
  assert.equal(batches[0]?.rejected[0]?.reason, 'not JSON')
})

test('what is not committed is 500, so that it is delivered again', async () => {
  for (const error of [new IngestError('57014', 500), new TypeError('boom +4915112345678')]) {
    const { post, lines } = setUp({ ingest: () => Promise.reject(error) })
    const response = await post(GOOD)
    assert.deepEqual([response.status, await response.text()], [500, 'Not stored'])
    assert.equal(lines[0]?.level, 'error')
    assert.doesNotMatch(JSON.stringify(lines), /boom|49151/)
  }
})

test('the log holds no caption, name, phone number, message id, token or secret', async () => {
  const { ask, post, lines } = setUp()
  const message = imageMessage({}, { caption: 'private words', filename: 'diary.pdf' })
  await post(webhook(messagesValue([message, { ...message, id: null }])))
  await post('private words')
  await post(GOOD, 'wrong-secret')
  await ask(HANDSHAKE)
  await ask(HANDSHAKE.replace('token=token', 'token=guess'))
  assert.equal(lines.length, 5)
  assert.doesNotMatch(
    JSON.stringify(lines),
    /private|diary|4915112345678|wamid|Sheena|"token|guess|"one|"two|sha256=/,
  )
})
