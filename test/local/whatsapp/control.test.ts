import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { request } from 'undici'
import { z } from 'zod'
import { generated, sha256Of } from '../../../src/local/samples/source.ts'
import { simulatorFor, TOKEN } from './simulator.ts'

const told = z.object({ id: z.string(), mimeType: z.string(), size: z.number(), sha256: z.string() })

test('files come in by path, by seed and as a sample, and are served from then on', async t => {
  const { post, download } = await simulatorFor(t)
  const folder = await mkdtemp(join(tmpdir(), 'mediaferry-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'note.txt')
  await writeFile(file, 'a note')

  const byPath = told.parse(await (await post('media', { file, mimeType: 'text/plain' })).body.json())
  assert.equal(await (await download(byPath.id)).body.text(), 'a note')
  const bySeed = await post('media', { seed: 's', size: 1000, mimeType: 'application/zip', id: '42' })
  assert.equal(bySeed.statusCode, 201)
  assert.deepEqual(await bySeed.body.json(), {
    id: '42',
    mimeType: 'application/zip',
    size: 1000,
    sha256: await sha256Of(generated('s', 1000)),
    resolved: 0,
    downloaded: 0,
  })
  const sticker = told.parse(await (await post('media', { sample: 'sticker' })).body.json())
  assert.equal(sticker.mimeType, 'image/webp')
})

test('a fault is switched on and off, and the state tells what holds and what was asked', async t => {
  const { simulator, post, dispatcher, graph } = await simulatorFor(t)
  const door = (path: string, method: 'GET' | 'DELETE' = 'GET') =>
    request(`${simulator.graphUrl}/_simulator/${path}`, { dispatcher, method })
  const rule = { on: 'graph', fault: 'error', code: 190, times: 3 }
  const added = await post('faults', rule)
  assert.equal(added.statusCode, 201)
  const { id } = z.object({ id: z.number() }).parse(await added.body.json())
  assert.equal((await graph('1')).statusCode, 401)
  const state = await (await door('state')).body.json()
  assert.partialDeepStrictEqual(state, {
    graphUrl: simulator.graphUrl,
    mediaUrl: simulator.mediaUrl,
    elsewhereUrl: simulator.elsewhereUrl,
    token: { expiresAt: 0 },
    faults: [{ id, rule, left: 2 }],
    requests: { graph: { media: 1 } },
    media: [],
  })
  assert.ok(!JSON.stringify(state).includes(TOKEN))
  assert.equal((await door(`faults/${id}`, 'DELETE')).statusCode, 204)
  assert.deepEqual(simulator.faults.list(), [])
  await post('faults', rule)
  await post('faults', rule)
  await door('faults', 'DELETE')
  assert.deepEqual(simulator.faults.list(), [])
})

test('media is forgotten and the token changed from outside', async t => {
  const { simulator, post, dispatcher, addText, graph } = await simulatorFor(t)
  const { id } = await addText('x')
  const forget = () =>
    request(`${simulator.graphUrl}/_simulator/media/${id}`, { dispatcher, method: 'DELETE' })
  assert.equal((await forget()).statusCode, 204)
  assert.equal((await forget()).statusCode, 404)
  await post('token', { value: 'EAAnew', expiresAt: 4_000_000_000 })
  assert.deepEqual(simulator.token, { value: 'EAAnew', expiresAt: 4_000_000_000 })
  assert.equal((await graph(id)).statusCode, 401)
})

test('a host is made to refuse and accept through the elsewhere door', async t => {
  const { simulator, dispatcher, graph } = await simulatorFor(t)
  const hosts = (body: object) =>
    request(`${simulator.elsewhereUrl}/_simulator/hosts`, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  assert.equal((await hosts({ graph: 'refuse' })).statusCode, 204)
  await assert.rejects(graph('1'), { code: 'ECONNREFUSED' })
  assert.equal((await hosts({ graph: 'accept' })).statusCode, 204)
  assert.equal((await graph('1')).statusCode, 400)
})

test('nonsense is refused with a reason', async t => {
  const { post } = await simulatorFor(t)
  const bad: [string, unknown, RegExp][] = [
    ['faults', { on: 'media', fault: 'cut' }, /afterBytes/],
    ['faults', { on: 'media', fault: 'explode' }, /fault/],
    ['media', { file: '/nowhere/at/all', mimeType: 'text/plain' }, /ENOENT/],
    ['media', { mimeType: 'text/plain' }, /./],
    ['hosts', { graph: 'sulk' }, /graph/],
  ]
  for (const [path, body, reason] of bad) {
    const answer = await post(path, body)
    assert.equal(answer.statusCode, 400, JSON.stringify(body))
    assert.match(await answer.body.text(), reason)
  }
  assert.equal((await post('nothing', {})).statusCode, 404)
})

test('a web page cannot use the door', async t => {
  const { simulator, post } = await simulatorFor(t)
  const rule = { on: 'graph', fault: 'reset' }
  assert.equal((await post('faults', rule, { 'content-type': 'text/plain' })).statusCode, 403)
  assert.equal((await post('faults', rule, { host: 'rebound.example' })).statusCode, 403)
  assert.deepEqual(simulator.faults.list(), [])
})
