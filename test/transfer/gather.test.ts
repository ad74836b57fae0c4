import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { request } from 'undici'
import { collected, gather, joined, parseJson } from '../../src/transfer/gather.ts'
import { serve, serveEndlessly } from './servers.ts'

test('a short body comes whole', async () => {
  const body = new PassThrough()
  body.write('ab')
  body.end('cd')
  const gathered = await gather(body, 4)
  assert.deepEqual([gathered.size, gathered.ended, joined(gathered).toString()], [4, true, 'abcd'])
})

test('an empty body is whole at once', async () => {
  const gathered = await gather(new PassThrough().end(), 4)
  assert.deepEqual([gathered.size, gathered.ended, joined(gathered).length], [0, true, 0])
})

test('a longer one stops just after the limit and goes on from there', async () => {
  const body = new PassThrough()
  for (const part of ['abc', 'def', 'ghi']) body.write(part)
  body.end()
  const gathered = await gather(body, 4)
  assert.deepEqual([joined(gathered).toString(), gathered.ended], ['abcdef', false])
  const rest: Buffer[] = []
  for await (const chunk of body) rest.push(chunk)
  assert.equal(Buffer.concat(rest).toString(), 'ghi')
})

test('very many tiny chunks stop it too', async () => {
  const body = new PassThrough()
  for (let at = 0; at < 1100; at++) body.write('x')
  const gathered = await gather(body, 1_000_000)
  assert.deepEqual([gathered.chunks.length, gathered.ended], [1024, false])
})

test('a body that breaks off rejects, and one that breaks later does not bring the process down', async () => {
  const broken = new PassThrough()
  const reading = gather(broken, 10)
  broken.destroy(new Error('cut'))
  await assert.rejects(reading, /cut/)

  const closed = new PassThrough()
  const waiting = gather(closed, 10)
  closed.destroy()
  await assert.rejects(waiting, /ended before the body did/)

  const later = new PassThrough()
  later.write('more than ten bytes')
  await gather(later, 10)
  later.destroy(new Error('nobody listens'))
  await new Promise(resolve => later.once('close', resolve))
})

test('of an endless answer only the beginning is read', async t => {
  const { server, ended } = await serveEndlessly(t)
  const { body, end } = await collected(await request(server.url))
  assert.ok(body.length > 256_000 && body.length < 400_000)
  assert.equal(end, 'cut')
  await ended()
})

test('an answer is read whole, and one that breaks off says so', async t => {
  const server = await serve(t, (asked, response) => {
    if (asked.url === '/whole') return void response.end('{"ä":1}')
    response.writeHead(200, { 'content-length': '100' }).write('{')
    response.on('close', () => {})
    setImmediate(() => response.destroy())
  })
  const whole = await collected(await request(`${server.url}/whole`))
  assert.deepEqual([whole.statusCode, whole.body.toString(), whole.end], [200, '{"ä":1}', 'whole'])
  const broken = await collected(await request(`${server.url}/broken`))
  assert.equal(broken.end, 'broken')
  assert.ok(broken.error instanceof Error)
})

test('what is no JSON is undefined', () => {
  assert.deepEqual(parseJson('{"a":1}'), { a: 1 })
  assert.equal(parseJson('<html>'), undefined)
})
