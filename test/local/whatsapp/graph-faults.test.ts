import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PHONE_NUMBER_ID } from '../../../src/local/whatsapp/index.ts'
import { errorAnswer, mediaAnswer, simulatorFor, TOKEN } from './simulator.ts'

/** Code, and the HTTP status that comes with it. */
const ERRORS: readonly (readonly [number, number])[] = [
  [190, 401],
  [0, 401],
  [3, 500],
  [10, 403],
  [102, 401],
  [104, 400],
  [200, 403],
  [299, 403],
  [33, 400],
  [368, 403],
  [131031, 403],
  [4, 400],
  [17, 400],
  [32, 400],
  [613, 400],
  [80007, 400],
  [130429, 429],
  [131056, 400],
  [1, 500],
  [2, 503],
  [131000, 500],
  [131016, 500],
  [131057, 500],
  [100, 400],
  [424242, 400],
]

test('each error code has the body of the reference and its HTTP status', async t => {
  const { simulator, graph, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  for (const [code, status] of ERRORS) {
    simulator.faults.add({ on: 'graph', fault: 'error', code, times: 1 })
    const answer = await graph(id)
    assert.equal(answer.statusCode, status, `HTTP status of ${code}`)
    const { error } = errorAnswer.parse(await answer.body.json())
    assert.equal(error.code, code)
    assert.equal(error.type, 'OAuthException')
    assert.equal(error.error_subcode, undefined)
    assert.equal(error.error_data !== undefined, code > 130_000 && code < 200_000, `error_data of ${code}`)
  }
  assert.equal((await graph(id)).statusCode, 200)
})

test('subcode and HTTP status can be chosen, and 100/33 is the answer for a missing object', async t => {
  const { simulator, graph, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  simulator.faults.add({ on: 'graph', fault: 'error', code: 190, subcode: 460, status: 400, times: 1 })
  const revoked = await graph(id)
  assert.equal(revoked.statusCode, 400)
  assert.equal(errorAnswer.parse(await revoked.body.json()).error.error_subcode, 460)
  simulator.faults.add({ on: 'graph', fault: 'error', code: 100, subcode: 33 })
  const gone = errorAnswer.parse(await (await graph(id)).body.json())
  assert.match(gone.error.message, new RegExp(`'${id}' does not exist`))
})

test('rate headers come with an error, with a bare 429 and with an ordinary answer', async t => {
  const { simulator, graph, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  const rate = { retryAfterSeconds: 30, appUsage: 100, businessUsage: 90, regainAccessMinutes: 7 }
  simulator.faults.add({ on: 'graph', fault: 'error', code: 4, times: 1, ...rate })
  simulator.faults.add({ on: 'graph', fault: 'status', status: 429, times: 1, retryAfterSeconds: 2 })
  const error = await graph(id)
  assert.equal(error.headers['retry-after'], '30')
  assert.deepEqual(JSON.parse(String(error.headers['x-app-usage'])), {
    call_count: 100,
    total_time: 50,
    total_cputime: 50,
  })
  const business = Object.values(JSON.parse(String(error.headers['x-business-use-case-usage'])))
  assert.partialDeepStrictEqual(business, [[{ call_count: 90, estimated_time_to_regain_access: 7 }]])
  const bare = await graph(id)
  assert.equal(bare.statusCode, 429)
  assert.equal(bare.headers['retry-after'], '2')
  simulator.faults.add({ on: 'graph', fault: 'usage', appUsage: 85 })
  const ordinary = await graph(id)
  assert.equal(ordinary.statusCode, 200)
  assert.equal(JSON.parse(String(ordinary.headers['x-app-usage'])).call_count, 85)
})

test('the size can come as text, facts can be wrong, and fields can be missing', async t => {
  const { simulator, graph, resolve, addText } = await simulatorFor(t)
  const { id } = await addText('hello')
  const asText = simulator.faults.add({ on: 'graph', fault: 'metadata', fileSizeAs: 'string' })
  assert.equal((await resolve(id)).file_size, '5')
  simulator.faults.clear(asText)
  const wrong = { fileSize: 6, sha256: 'f'.repeat(64), mimeType: 'image/png' }
  simulator.faults.add({ on: 'graph', fault: 'metadata', ...wrong, times: 1 })
  const lied = await resolve(id)
  assert.deepEqual([lied.file_size, lied.sha256, lied.mime_type], [6, wrong.sha256, wrong.mimeType])
  simulator.faults.add({ on: 'graph', fault: 'metadata', omit: ['file_size', 'sha256'], times: 1 })
  const bare = await (await graph(id)).body.json()
  assert.ok(typeof bare === 'object' && bare !== null)
  assert.deepEqual(Object.keys(bare), ['messaging_product', 'url', 'mime_type', 'id'])
  assert.equal((await resolve(id)).file_size, 5)
})

test('a 5xx of a load balancer and a 200 that is a web page carry no JSON', async t => {
  const { simulator, graph, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  simulator.faults.add({ on: 'graph', fault: 'status', status: 502, times: 1 })
  simulator.faults.add({ on: 'graph', fault: 'html', times: 1 })
  for (const status of [502, 200]) {
    const answer = await graph(id)
    assert.equal(answer.statusCode, status)
    assert.match(String(answer.headers['content-type']), /^text\/html/)
    assert.match(await answer.body.text(), /^<!DOCTYPE html>/)
  }
})

test('a connection is reset, and one that gets no answer stays open', async t => {
  const { simulator, graph, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  simulator.faults.add({ on: 'graph', fault: 'reset', times: 1 })
  await assert.rejects(graph(id), { code: 'ECONNRESET' })
  simulator.faults.add({ on: 'graph', fault: 'stalled', times: 1 })
  await assert.rejects(graph(id, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
})

test('a host that refuses connections does so until it accepts again, at the same address', async t => {
  const { simulator, graph, resolve, ask, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  const { url } = await resolve(id)
  await simulator.refuse('graph')
  await assert.rejects(graph(id), { code: 'ECONNREFUSED' })
  assert.equal((await ask(url)).statusCode, 200)
  await simulator.accept('graph')
  assert.equal((await graph(id)).statusCode, 200)
  await simulator.refuse('media')
  await assert.rejects(ask(url), { code: 'ECONNREFUSED' })
  await simulator.accept('media')
  assert.equal((await ask(url)).statusCode, 200)
})

test('a fault can spare the probe, so that the token works while a media id does not', async t => {
  const { simulator, graph, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  simulator.faults.add({ on: 'graph', only: 'media', fault: 'error', code: 2 })
  assert.equal((await graph(id)).statusCode, 503)
  assert.equal((await graph(PHONE_NUMBER_ID)).statusCode, 200)
  assert.equal((await graph(`debug_token?input_token=${TOKEN}`)).statusCode, 200)
  simulator.faults.clear()
  simulator.faults.add({ on: 'graph', only: 'probe', fault: 'error', code: 2 })
  assert.equal((await graph(id)).statusCode, 200)
  assert.equal((await graph(PHONE_NUMBER_ID)).statusCode, 503)
})

test('a delayed answer is the ordinary one, and goes together with other faults', async t => {
  const { simulator, graph, addText } = await simulatorFor(t)
  const { id } = await addText('x')
  simulator.faults.add({ on: 'graph', fault: 'delay', ms: 30 })
  const started = performance.now()
  mediaAnswer.parse(await (await graph(id)).body.json())
  assert.ok(performance.now() - started >= 29)
  simulator.faults.add({ on: 'graph', fault: 'error', code: 1 })
  assert.equal((await graph(id)).statusCode, 500)
})
