import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { generated, type MediaSource, sha256Of } from '../../../src/local/samples/source.ts'
import { drain, simulatorFor } from './simulator.ts'

const MB = 2 ** 20

test('a file arrives whole, with its type and length', async t => {
  const { simulator, download } = await simulatorFor(t)
  const source = generated('whole', 3_000_001)
  const item = await simulator.media.add({ source, mimeType: 'application/pdf' })
  const answer = await download(item.id)
  assert.equal(answer.statusCode, 200)
  assert.equal(answer.headers['content-type'], 'application/pdf')
  assert.equal(answer.headers['content-length'], '3000001')
  const { bytes } = await drain(answer.body)
  assert.equal(createHash('sha256').update(bytes).digest('hex'), item.sha256)
  assert.equal(item.sha256, await sha256Of(source))
  assert.equal(item.downloaded, 1)
  assert.equal(simulator.requests.media.completed, 1)
})

test('an empty file is a valid file', async t => {
  const { addText, download } = await simulatorFor(t)
  const answer = await download((await addText('')).id)
  assert.equal(answer.headers['content-length'], '0')
  assert.equal((await drain(answer.body)).bytes.length, 0)
})

test('a link works until its five minutes are over and not a moment longer', async t => {
  let now = Date.UTC(2026, 10, 3)
  const { simulator, addText, resolve, ask } = await simulatorFor(t, { now: () => now })
  const { id } = await addText('x')
  const { url } = await resolve(id)
  now += 299_999
  assert.equal((await ask(url)).statusCode, 200)
  now += 1
  assert.equal((await ask(url)).statusCode, 404)
  assert.equal((await ask((await resolve(id)).url)).statusCode, 200)
  assert.equal(simulator.requests.media.badLink, 1)
})

test('a link cannot be forged, extended, or used for another file or a forgotten one', async t => {
  const { simulator, addText, resolve, ask } = await simulatorFor(t)
  const [first, second] = [await addText('1'), await addText('2')]
  const { url } = await resolve(first.id)
  const changed = (name: string, value: string | null) => {
    const link = new URL(url)
    if (value === null) link.searchParams.delete(name)
    else link.searchParams.set(name, value)
    return ask(link.href)
  }
  assert.equal((await changed('mid', second.id)).statusCode, 404)
  assert.equal((await changed('ext', '4000000000')).statusCode, 404)
  assert.equal((await changed('hash', 'abc')).statusCode, 404)
  assert.equal((await changed('hash', null)).statusCode, 404)
  assert.equal((await ask(url)).statusCode, 200)
  simulator.media.forget(first.id)
  assert.equal((await ask(url)).statusCode, 404)
})

test('without the bearer token there is no download, nor for the User-Agent of a library', async t => {
  const { simulator, addText, resolve, ask } = await simulatorFor(t)
  const { url } = await resolve((await addText('x')).id)
  assert.equal((await ask(url, { token: null })).statusCode, 401)
  assert.equal((await ask(url, { token: 'EAAother' })).statusCode, 401)
  assert.equal(simulator.requests.media.unauthorised, 2)
  for (const userAgent of [null, 'node', 'undici']) {
    assert.equal((await ask(url, { userAgent })).statusCode, 403)
  }
})

test('a file of 100 MB is drawn no faster than it is read', async t => {
  const { simulator, download } = await simulatorFor(t)
  const whole = generated('large', 100 * MB)
  let drawn = 0
  const counted: MediaSource = {
    size: whole.size,
    async *open() {
      drawn = 0
      for await (const chunk of whole.open()) {
        drawn += chunk.length
        yield chunk
      }
    },
  }
  const item = await simulator.media.add({ source: counted, mimeType: 'application/zip' })
  const answer = await download(item.id)
  const hash = createHash('sha256')
  let read = 0
  let mostAhead = 0
  for await (const chunk of answer.body) {
    hash.update(chunk)
    read += chunk.length
    mostAhead = Math.max(mostAhead, drawn - read)
  }
  assert.equal(read, 100 * MB)
  assert.equal(hash.digest('hex'), item.sha256)
  assert.ok(mostAhead < 16 * MB, `${mostAhead} bytes were drawn ahead of the reader`)
})

test('a reader that goes away ends the drawing, and is not counted as served', async t => {
  const { simulator, download } = await simulatorFor(t)
  let ended = Promise.withResolvers<void>()
  const endless: MediaSource = {
    size: 10 * MB,
    async *open() {
      try {
        yield* generated('endless', 10 * MB).open()
      } finally {
        ended.resolve()
      }
    },
  }
  const item = await simulator.media.add({ source: endless, mimeType: 'application/zip' })
  ended = Promise.withResolvers()
  simulator.faults.add({ on: 'media', fault: 'slow', bytesPerSecond: 10 * MB })
  const answer = await download(item.id)
  assert.equal(simulator.requests.media.open, 1)
  answer.body.destroy()
  await ended.promise
  await simulator.stop()
  assert.equal(simulator.requests.media.completed, 0)
  assert.equal(simulator.requests.media.open, 0)
  assert.equal(simulator.requests.media.openPeak, 1)
})
