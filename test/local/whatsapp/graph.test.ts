import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { PHONE_NUMBER_ID } from '../../../src/local/whatsapp/index.ts'
import { errorAnswer, simulatorFor, TOKEN } from './simulator.ts'

const DAY_MS = 24 * 60 * 60 * 1000

test('a media id is answered with a link, the type, the hash in hex and the size', async t => {
  const { simulator, addText, resolve } = await simulatorFor(t)
  const item = await addText('hello')
  assert.match(item.id, /^\d{16}$/)
  const answer = await resolve(item.id)
  assert.equal(answer.id, item.id)
  assert.equal(answer.mime_type, 'text/plain')
  assert.equal(answer.file_size, 5)
  assert.equal(answer.sha256, createHash('sha256').update('hello').digest('hex'))
  assert.ok(answer.url.startsWith(`${simulator.mediaUrl}/whatsapp_business/attachments/?mid=${item.id}&`))
  assert.notEqual(new URL(answer.url).host, new URL(simulator.graphUrl).host)
  assert.equal(item.resolved, 1)
})

test('each link tells its expiry in unix seconds, five minutes from now', async t => {
  const now = Date.UTC(2026, 10, 3, 12)
  const { addText, resolve } = await simulatorFor(t, { now: () => now })
  const { url } = await resolve((await addText('x')).id)
  assert.equal(new URL(url).searchParams.get('ext'), String(now / 1000 + 300))
})

test('an unknown, a forgotten and a week-old media id are answered as gone', async t => {
  let now = Date.UTC(2026, 10, 3)
  const { simulator, addText, graph } = await simulatorFor(t, { now: () => now })
  const old = await addText('old')
  now += 7 * DAY_MS - 1
  const forgotten = await addText('forgotten')
  assert.equal((await graph(old.id)).statusCode, 200)
  now += 1
  assert.equal(simulator.media.forget(forgotten.id), true)
  assert.equal(simulator.media.forget(forgotten.id), false)
  for (const id of [old.id, forgotten.id, '12345']) {
    const answer = await graph(id)
    assert.equal(answer.statusCode, 400)
    const { error } = errorAnswer.parse(await answer.body.json())
    assert.equal(error.code, 100)
    assert.equal(error.error_subcode, 33)
    assert.equal(error.type, 'GraphMethodException')
    assert.match(error.message, new RegExp(`Object with ID '${id}' does not exist`))
  }
})

test('no token is 104, another token is 190, and neither spends a fault', async t => {
  const { simulator, addText, graph } = await simulatorFor(t)
  const { id } = await addText('x')
  simulator.faults.add({ on: 'graph', fault: 'html', times: 1 })
  const missing = await graph(id, { token: null })
  assert.equal(missing.statusCode, 400)
  assert.equal(errorAnswer.parse(await missing.body.json()).error.code, 104)
  const wrong = await graph(id, { token: 'EAAother' })
  assert.equal(wrong.statusCode, 401)
  assert.equal(errorAnswer.parse(await wrong.body.json()).error.code, 190)
  assert.equal(simulator.requests.graph.unauthorised, 2)
  assert.equal(simulator.faults.list().length, 1)
})

test('a token ends at its time and can be replaced by another', async t => {
  let now = 1_000_000
  const { simulator, graph } = await simulatorFor(t, { now: () => now })
  simulator.token.expiresAt = 1001
  assert.equal((await graph(PHONE_NUMBER_ID)).statusCode, 200)
  now = 1_001_000
  const expired = await graph(PHONE_NUMBER_ID)
  assert.equal(expired.statusCode, 401)
  assert.equal(errorAnswer.parse(await expired.body.json()).error.error_subcode, 463)
  simulator.token.value = 'EAAnew'
  simulator.token.expiresAt = 0
  assert.equal((await graph(PHONE_NUMBER_ID, { token: 'EAAnew' })).statusCode, 200)
  assert.equal((await graph(PHONE_NUMBER_ID, { token: TOKEN })).statusCode, 401)
})

test('the neutral probe reads a phone number of the business and no other', async t => {
  const { simulator, graph } = await simulatorFor(t, { phoneNumberIds: ['77'] })
  const answer = await graph('77?fields=id')
  assert.equal(answer.statusCode, 200)
  assert.deepEqual(await answer.body.json(), { id: '77' })
  assert.equal((await graph('78?fields=id')).statusCode, 400)
  assert.equal(simulator.requests.graph.probe, 1)
})

test('debug_token tells the end of this token and refuses to know another', async t => {
  const { simulator, graph } = await simulatorFor(t)
  simulator.token.expiresAt = 4_000_000_000
  const known = await (await graph(`debug_token?input_token=${TOKEN}`)).body.json()
  assert.partialDeepStrictEqual(known, { data: { is_valid: true, expires_at: 4_000_000_000 } })
  const unknown = await (await graph('debug_token?input_token=EAAother')).body.json()
  assert.partialDeepStrictEqual(unknown, { data: { is_valid: false, error: { code: 190 } } })
})

test('phone_number_id beside a media id, a path of no use and another method are refused', async t => {
  const { simulator, addText, graph, ask, post } = await simulatorFor(t)
  const { id } = await addText('x')
  const parameter = await graph(`${id}?phone_number_id=${PHONE_NUMBER_ID}`)
  assert.equal(errorAnswer.parse(await parameter.body.json()).error.code, 100)
  const nowhere = await ask(`${simulator.graphUrl}/${id}`)
  assert.equal(errorAnswer.parse(await nowhere.body.json()).error.code, 2500)
  const posted = await post(`../v25.0/${id}`, {})
  assert.equal(posted.statusCode, 400)
})
