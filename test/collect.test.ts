import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Agent } from 'undici'
import { collect } from '../src/collect.ts'
import { type Handler, patient, serve, serveEndlessly } from './transfer/servers.ts'

const LIMIT = 100_000

function agentFor(t: TestContext, connections = 4): Agent {
  const agent = new Agent({ connections })
  t.after(() => agent.destroy())
  return agent
}

async function ask(t: TestContext, handle: Handler, limit = LIMIT) {
  const server = await serve(t, handle)
  return collect(agentFor(t), { origin: server.url, path: '/', method: 'GET' }, patient(), limit)
}

test('an answer of an announced length comes whole, in however many pieces', async t => {
  const bytes = randomBytes(LIMIT)
  const answer = await ask(t, (_, response) => {
    response.writeHead(418, { 'content-length': String(LIMIT), 'x-odd': 'yes' })
    for (let at = 0; at < LIMIT; at += 7001) response.write(bytes.subarray(at, at + 7001))
    response.end()
  })
  assert.deepEqual([answer.statusCode, answer.headers['x-odd'], answer.end], [418, 'yes', 'whole'])
  assert.ok(answer.body.equals(bytes))
})

test('so does one of an unknown length, and an empty one', async t => {
  const bytes = randomBytes(60_000)
  const answer = await ask(t, (request, response) => {
    for (let at = 0; at < bytes.length; at += 37) response.write(bytes.subarray(at, at + 37))
    response.end()
    request.resume()
  })
  assert.ok(answer.body.equals(bytes))
  const empty = await ask(t, (_, response) => response.writeHead(204).end())
  assert.deepEqual([empty.statusCode, empty.body.length, empty.end], [204, 0, 'whole'])
})

test('what comes before the answer is no answer', async t => {
  const answer = await ask(t, (_, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.end('ok')
  })
  assert.deepEqual([answer.statusCode, answer.body.toString()], [200, 'ok'])
})

test('of a longer one the beginning comes, a little more than the limit, and the connection ends', async t => {
  const { server, ended } = await serveEndlessly(t)
  const answer = await collect(
    agentFor(t),
    { origin: server.url, path: '/', method: 'GET' },
    patient(),
    LIMIT,
  )
  assert.equal(answer.end, 'cut')
  assert.ok(answer.body.length > LIMIT && answer.body.length < LIMIT + 100_000)
  assert.ok(answer.body.every(byte => byte === 0x61))
  await ended()
})

test('one that breaks off says so, with what had come', async t => {
  const answer = await ask(t, (_, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('half', () => response.destroy())
  })
  assert.deepEqual([answer.end, answer.body.toString()], ['broken', 'half'])
  assert.ok(answer.error instanceof Error)
})

test('without any answer it rejects', async t => {
  await assert.rejects(
    ask(t, (_, response) => void response.destroy()),
    /other side closed|socket hang up|ECONNRESET/,
  )
})

test('given up, it rejects with the reason: before, while it waits for a connection, and in the middle', async t => {
  const heard: (string | undefined)[] = []
  const inTheMiddle = Promise.withResolvers<void>()
  const server = await serve(t, (request, response) => {
    heard.push(request.url)
    if (request.url !== '/middle') return void response.end()
    response.writeHead(200, { 'content-length': '10' }).write('half')
    inTheMiddle.resolve()
  })
  const agent = agentFor(t, 1)
  const reason = new Error('no longer wanted')
  const asking = (path: string, signal: AbortSignal) =>
    collect(agent, { origin: server.url, path, method: 'GET' }, signal, LIMIT)

  await assert.rejects(asking('/', AbortSignal.abort(reason)), reason)
  assert.equal(server.sockets.size, 0, 'nothing was asked')

  const first = new AbortController()
  const second = new AbortController()
  const middle = asking('/middle', first.signal)
  await inTheMiddle.promise
  const queued = asking('/queued', second.signal)
  second.abort(reason)
  await assert.rejects(queued, reason)
  first.abort(reason)
  await assert.rejects(middle, reason)
  await asking('/last', patient())
  assert.deepEqual(heard, ['/middle', '/last'], 'what was given up in the queue is never sent')
  for (const { signal } of [first, second]) assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a body that is not wanted is not waited for', async t => {
  const server = await serve(t, (_, response) => {
    response.writeHead(302, { location: '/elsewhere', 'content-length': '10' }).write('half')
  })
  const statuses: number[] = []
  const answer = await collect(
    agentFor(t),
    { origin: server.url, path: '/', method: 'GET' },
    patient(),
    LIMIT,
    status => {
      statuses.push(status)
      return status !== 302
    },
  )
  assert.deepEqual([answer.end, answer.headers.location, statuses], ['cut', '/elsewhere', [302]])
})

test('a body that is sent arrives, and nothing listens to the signal afterwards', async t => {
  const server = await serve(t, (request, response) => void request.pipe(response))
  const controller = new AbortController()
  const { signal } = controller
  const body = randomBytes(50_000)
  const headers = { 'content-length': '50000' }
  const answer = await collect(
    agentFor(t),
    { origin: server.url, path: '/', method: 'POST', headers, body },
    signal,
    LIMIT,
  )
  assert.ok(answer.body.equals(body))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a body of known length comes into the memory that is given for it, which is given back when it is given up', async t => {
  const bytes = randomBytes(1000)
  const server = await serve(t, ({ url }, response) => {
    response.writeHead(url === '/missing' ? 404 : 200, { 'content-length': String(bytes.length) })
    if (url === '/endless') response.write('half')
    else response.end(bytes)
  })
  const agent = agentFor(t)
  const taken: Buffer[] = []
  const givenBack: Buffer[] = []
  let more = Promise.withResolvers<void>()
  const memory = {
    take: (length: number) => {
      const room = Buffer.alloc(length)
      taken.push(room)
      more.resolve()
      return room
    },
    giveBack: (body: Buffer) => void givenBack.push(body),
  }
  const asking = (path: string, signal = patient()) =>
    collect(agent, { origin: server.url, path, method: 'GET' }, signal, LIMIT, undefined, memory)

  const answer = await asking('/')
  assert.ok(answer.body.equals(bytes))
  assert.equal(answer.body.buffer, taken[0]?.buffer)
  assert.ok((await asking('/missing')).body.equals(bytes))
  assert.equal(taken.length, 1, 'what was not asked for has memory of its own')
  assert.deepEqual(givenBack, [])

  more = Promise.withResolvers<void>()
  const controller = new AbortController()
  const given = asking('/endless', controller.signal)
  await more.promise
  controller.abort(new Error('given up'))
  await assert.rejects(given, /given up/)
  assert.deepEqual([taken.length, givenBack], [2, [taken[1]]])
})
