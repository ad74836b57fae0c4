import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, beforeEach, test } from 'node:test'
import { escapeAsMeta } from '../../../supabase/functions/whatsapp-webhook/compose.ts'
import { signBody } from '../../../supabase/functions/whatsapp-webhook/sign.ts'
import { type DataApiStub, startDataApiStub } from './data-api-stub.ts'
import { deliver, type RealFunction, startFunction } from './real-function.ts'
import { bytesOf, imageMessage, messagesValue, webhook } from './whatsapp-webhook/samples.ts'

const LIMIT = 3 * 2 ** 20
const GOOD = bytesOf(webhook(messagesValue([imageMessage()])))
const HANDSHAKE = '?hub.mode=subscribe&hub.verify_token=let-me-in&hub.challenge=1158201444'

let api: DataApiStub
let real: RealFunction

before(async () => {
  api = await startDataApiStub()
  real = await startFunction({
    SUPABASE_URL: api.url,
    SUPABASE_SECRET_KEYS: '{"default":"sb_secret_test"}',
    WHATSAPP_APP_SECRET: 'first secret,second secret',
    WHATSAPP_VERIFY_TOKEN: 'let-me-in',
  })
})
after(async () => {
  await real?.stop()
  await api?.stop()
})
beforeEach(() => {
  api.calls.length = 0
  api.behaviour = 'ok'
})

const send = (body: Uint8Array<ArrayBuffer>, secret = 'first secret') => deliver(real.url, secret, body)
const captions = () => api.calls.flatMap(call => call.messages.map(message => message.media?.caption))

/** A body of exactly `size` bytes that is a good delivery. */
function padded(size: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(size).fill(0x20)
  body.set(GOOD)
  return body
}

async function post(body: Uint8Array<ArrayBuffer>, headers: Record<string, string>): Promise<number> {
  const response = await fetch(real.url, { method: 'POST', body, headers })
  await response.arrayBuffer()
  return response.status
}

test('a delivery is one call of the function, with the injected key', async () => {
  assert.equal(await send(GOOD), 200)
  assert.deepEqual(
    api.calls.map(({ path, apikey }) => [path, apikey]),
    [['/rest/v1/rpc/ingest_whatsapp_messages', 'sb_secret_test']],
  )
  assert.equal(api.calls[0]?.messages[0]?.media?.whatsapp_media_id, '1003383421387256')
})

test('the second secret is as good', async () => {
  assert.equal(await send(GOOD, 'second secret'), 200)
  assert.equal(api.calls.length, 1)
})

test('no header, a wrong secret, a signature over re-serialised bytes: 401 and nothing stored', async () => {
  assert.equal(await post(GOOD, {}), 401)
  assert.equal(await post(GOOD, { 'x-hub-signature-256': 'sha256=' }), 401)
  assert.equal(await send(GOOD, 'third secret'), 401)

  const escaped = bytesOf(escapeAsMeta(new TextDecoder().decode(GOOD)))
  assert.notDeepEqual(escaped, GOOD)
  assert.deepEqual(JSON.parse(new TextDecoder().decode(escaped)), JSON.parse(new TextDecoder().decode(GOOD)))
  assert.equal(await post(escaped, { 'x-hub-signature-256': await signBody('first secret', GOOD) }), 401)
  assert.equal(api.calls.length, 0)
})

test('escaped unicode and emoji, as Meta sends them, and plain ones', async () => {
  const json = JSON.stringify(webhook(messagesValue([imageMessage({}, { caption: 'Grüße 👩‍👧 a/b' })])))
  assert.equal(await send(bytesOf(escapeAsMeta(json))), 200)
  assert.equal(await send(bytesOf(json)), 200)
  assert.deepEqual(captions(), ['Grüße 👩‍👧 a/b', 'Grüße 👩‍👧 a/b'])
})

test('NUL, lone surrogates and bytes that are not UTF-8 arrive mended', async () => {
  const json = JSON.stringify(webhook(messagesValue([imageMessage({}, { caption: 'a@b' })])))
  assert.equal(await send(bytesOf(json.replace('@', '\\u0000'))), 200)
  assert.equal(await send(bytesOf(json.replace('@', '\\udc00'))), 200)
  assert.equal(await send(bytesOf(json).map(byte => (byte === 0x40 ? 0xff : byte))), 200)
  assert.deepEqual(captions(), ['ab', 'a\ufffdb', 'a\ufffdb'])
})

test('3 MB are taken, one byte more is 413', async () => {
  assert.equal(await send(padded(LIMIT)), 200)
  assert.equal(await send(padded(LIMIT + 1)), 413)
  assert.equal(api.calls.length, 1)
})

test('without a Content-Length reading stops at 3 MB', async () => {
  const sent = { bytes: 0 }
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const headers = { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}`, 'transfer-encoding': 'chunked' }
    const request = httpRequest(real.url, { method: 'POST', headers }, response => {
      resolve(response.statusCode)
      request.destroy()
    })
    request.on('error', reject)
    const piece = Buffer.alloc(65_536)
    const write = () => {
      if (request.destroyed) return
      sent.bytes += piece.length
      if (sent.bytes > 20 * LIMIT) reject(new Error('it reads without end'))
      else if (request.write(piece)) setImmediate(write)
      else request.once('drain', write)
    }
    write()
  })
  assert.equal(status, 413)
  assert.ok(sent.bytes > LIMIT && sent.bytes < 20 * LIMIT, String(sent.bytes))
})

test('a database that fails, hangs up or answers nonsense is 500', async () => {
  for (const behaviour of ['error', 'hang-up', 'nonsense'] as const) {
    api.behaviour = behaviour
    api.calls.length = 0
    assert.equal(await send(GOOD), 500, behaviour)
    // Deno itself asks again when a kept connection closes without an answer; the function does not.
    if (behaviour !== 'hang-up') assert.equal(api.calls.length, 1, behaviour)
  }
  assert.ok(real.lines.some(line => line.includes('PGRST000')))
  assert.ok(real.lines.every(line => !line.includes('secret detail')))
})

test('a thousand messages are one call', async () => {
  const messages = Array.from({ length: 1000 }, (_, at) => imageMessage({ id: `wamid.${at}` }))
  assert.equal(await send(bytesOf(webhook(messagesValue(messages)))), 200)
  assert.deepEqual([api.calls.length, api.calls[0]?.messages.length], [1, 1000])
})

test('statuses alone need no call', async () => {
  assert.equal(await send(bytesOf(webhook({ statuses: [{ id: 'wamid.1', status: 'read' }] }))), 200)
  assert.equal(api.calls.length, 0)
})

test('a signed body that is no JSON is kept byte for byte', async () => {
  assert.equal(await send(Uint8Array.of(0x7b, 0x00, 0xff)), 200)
  assert.deepEqual(api.calls[0]?.rejected[0], {
    reason: 'not JSON',
    message_id: null,
    phone_number_id: null,
    payload_base64: 'ewD/',
  })
})

test('the handshake, and 403 for any other token', async () => {
  const response = await fetch(real.url + HANDSHAKE)
  assert.deepEqual([response.status, await response.text()], [200, '1158201444'])
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain/)
  assert.equal((await fetch(real.url + HANDSHAKE.replace('let-me-in', 'let-me-out'))).status, 403)
})

test('other methods are 405', async () => {
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
    const response = await fetch(real.url, { method })
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, POST'], method)
  }
})

test('the log is JSON lines without anything private', () => {
  const own = real.lines.filter(line => !line.startsWith('Listening'))
  assert.ok(own.length > 10)
  for (const line of own) assert.equal(typeof JSON.parse(line).event, 'string')
  assert.doesNotMatch(own.join('\n'), /first secret|sb_secret|let-me|4915112345678|wamid|Sheena|Grüße/)
})

test('without a secret it says so and answers 500 to everything', async t => {
  const closed = await startFunction({
    SUPABASE_URL: api.url,
    SUPABASE_SERVICE_ROLE_KEY: 'key',
    WHATSAPP_APP_SECRET: ' , ',
    WHATSAPP_VERIFY_TOKEN: 'let-me-in',
  })
  t.after(() => closed.stop())
  assert.equal((await fetch(closed.url + HANDSHAKE)).status, 500)
  for (const secret of [' ', ',', 'undefined']) assert.equal(await deliver(closed.url, secret, GOOD), 500)
  assert.equal((await fetch(closed.url, { method: 'PUT' })).status, 500)
  assert.equal(api.calls.length, 0)
  assert.ok(
    closed.lines.some(
      line => line.includes('"level":"error"') && line.includes('WHATSAPP_APP_SECRET is missing'),
    ),
  )
})
