import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { drain, simulatorFor } from './simulator.ts'

const TEXT = 'the quick brown fox jumps over the lazy dog'

test('a cut file ends early, with exactly the bytes asked for and an error', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  const { id } = await addText(TEXT)
  for (const afterBytes of [0, 10]) {
    simulator.faults.add({ on: 'media', fault: 'cut', afterBytes, times: 1 })
    const answer = await download(id)
    assert.equal(answer.headers['content-length'], String(TEXT.length))
    const { bytes, ended } = await drain(answer.body)
    assert.equal(String(bytes), TEXT.slice(0, afterBytes))
    assert.equal(ended, false)
  }
  assert.equal(String((await drain((await download(id)).body)).bytes), TEXT)
})

test('a file of the wrong length ends properly with fewer or more bytes', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  const { id } = await addText(TEXT)
  for (const by of [-3, 3]) {
    simulator.faults.add({ on: 'media', fault: 'wrong_length', by, times: 1 })
    const answer = await download(id)
    const { bytes, ended } = await drain(answer.body)
    assert.equal(answer.headers['content-length'], String(TEXT.length + by))
    assert.equal(ended, true)
    assert.equal(String(bytes), by < 0 ? TEXT.slice(0, by) : `${TEXT}\0\0\0`)
  }
})

test('a file of the wrong hash has the right length and one changed byte', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  const item = await addText(TEXT)
  simulator.faults.add({ on: 'media', fault: 'wrong_hash' })
  const { bytes } = await drain((await download(item.id)).body)
  assert.equal(bytes.length, TEXT.length)
  assert.equal(String(bytes.subarray(0, -1)), TEXT.slice(0, -1))
  assert.notEqual(String(bytes), TEXT)
  assert.equal(item.downloaded, 0)
})

test('an HTML page and a JSON error come with 200 in place of the file', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  const { id } = await addText(TEXT)
  simulator.faults.add({ on: 'media', fault: 'html', times: 1 })
  simulator.faults.add({ on: 'media', fault: 'json', times: 1 })
  const page = await download(id)
  assert.equal(page.statusCode, 200)
  assert.match(String(page.headers['content-type']), /^text\/html/)
  assert.match(await page.body.text(), /^<!DOCTYPE html>/)
  const json = await download(id)
  assert.equal(json.statusCode, 200)
  assert.match(String(json.headers['content-type']), /^application\/json/)
  assert.ok('error' in Object(await json.body.json()))
})

test('a refused download has the status asked for, and says when to come back if told to', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  const { id } = await addText(TEXT)
  for (const status of [401, 403, 404, 500, 503]) {
    simulator.faults.add({ on: 'media', fault: 'status', status, times: 1 })
    assert.equal((await download(id)).statusCode, status)
  }
  simulator.faults.add({ on: 'media', fault: 'status', status: 429, retryAfterSeconds: 9 })
  assert.equal((await download(id)).headers['retry-after'], '9')
})

test('the bare address meets what is wrong with the host as a whole, and is not counted', async t => {
  const { simulator, ask } = await simulatorFor(t)
  const bare = async () => (await ask(`${simulator.mediaUrl}/`, { token: null })).statusCode
  assert.equal(await bare(), 404)
  simulator.faults.add({ on: 'media', fault: 'status', status: 500, mediaId: '1' })
  simulator.faults.add({ on: 'media', fault: 'status', status: 502, times: 1 })
  assert.equal(await bare(), 404)
  assert.equal(simulator.faults.list().length, 2)
  simulator.faults.clear()
  simulator.faults.add({ on: 'media', fault: 'delay', ms: 1 })
  simulator.faults.add({ on: 'media', fault: 'status', status: 503 })
  assert.equal(await bare(), 503)
  simulator.faults.clear()
  simulator.faults.add({ on: 'media', fault: 'reset' })
  await assert.rejects(bare)
  assert.equal(simulator.requests.media.started, 0)
})

test('a redirect leads to a host of another name that needs no token and notices one', async t => {
  const { simulator, addText, download, ask } = await simulatorFor(t)
  const { id } = await addText(TEXT)
  simulator.faults.add({ on: 'media', fault: 'redirect', hops: 2 })
  const first = await download(id)
  assert.equal(first.statusCode, 302)
  const elsewhere = new URL(String(first.headers.location))
  assert.notEqual(elsewhere.hostname, new URL(simulator.mediaUrl).hostname)
  assert.ok(elsewhere.href.startsWith(simulator.elsewhereUrl))
  const second = await ask(elsewhere.href, { token: null })
  assert.equal(second.statusCode, 302)
  const file = await ask(String(second.headers.location), { token: null })
  assert.equal(String((await drain(file.body)).bytes), TEXT)
  assert.deepEqual(simulator.requests.elsewhere, { started: 2, completed: 1, withToken: 0 })
  await ask(elsewhere.href)
  assert.equal(simulator.requests.elsewhere.withToken, 1)
  elsewhere.searchParams.set('hash', 'abc')
  assert.equal((await ask(elsewhere.href, { token: null })).statusCode, 404)
})

test('a redirect can lead anywhere', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  const location = 'https://evil.example/file'
  simulator.faults.add({ on: 'media', fault: 'redirect', location })
  assert.equal((await download((await addText(TEXT)).id)).headers.location, location)
})

test('a file without Content-Length arrives whole', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  simulator.faults.add({ on: 'media', fault: 'no_length' })
  const answer = await download((await addText(TEXT)).id)
  assert.equal(answer.headers['content-length'], undefined)
  assert.equal(String((await drain(answer.body)).bytes), TEXT)
})

test('a slow file trickles in, a few bytes at a time, and arrives whole', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  simulator.faults.add({ on: 'media', fault: 'slow', bytesPerSecond: 200 })
  const started = performance.now()
  const answer = await download((await addText(TEXT)).id)
  const { bytes } = await drain(answer.body)
  assert.equal(String(bytes), TEXT)
  assert.ok(performance.now() - started >= ((TEXT.length - 10) / 200) * 1000)
})

test('a stalled file stays open after its first bytes, or never begins', async t => {
  const { simulator, addText, download, resolve, ask } = await simulatorFor(t)
  const { id } = await addText(TEXT)
  simulator.faults.add({ on: 'media', fault: 'stalled', afterBytes: 5, times: 1 })
  const { body } = await download(id)
  const [first] = await once(body, 'data')
  assert.equal(String(first), TEXT.slice(0, 5))
  assert.equal(simulator.requests.media.open, 1)
  body.on('error', () => {})
  body.destroy()
  simulator.faults.add({ on: 'media', fault: 'stalled', times: 1 })
  const { url } = await resolve(id)
  await assert.rejects(ask(url, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
})

test('a reset connection is an error before any answer', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  simulator.faults.add({ on: 'media', fault: 'reset', times: 1 })
  await assert.rejects(download((await addText(TEXT)).id), { code: 'ECONNRESET' })
})
