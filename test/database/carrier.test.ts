import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openCarrier } from '../../src/database/carrier.ts'
import { type Handler, serve } from '../transfer/servers.ts'

async function carried(t: TestContext, handle: Handler, timeoutMs = 10_000) {
  const server = await serve(t, handle)
  const carrier = openCarrier(timeoutMs)
  t.after(() => carrier.close())
  return { server, fetch: (path: string, init: RequestInit = {}) => carrier.fetch(server.url + path, init) }
}

test('what is asked arrives, and what is answered comes back', async t => {
  const { fetch } = await carried(t, (request, response) => {
    response.setHeader('x-said', `${request.method} ${request.url} ${request.headers['x-key']}`)
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.writeHead(207)
    request.pipe(response)
  })
  const answer = await fetch('/rpc/f?a=b%20c', { method: 'POST', headers: { 'x-key': 'k' }, body: '{"ä":1}' })
  assert.deepEqual([answer.status, answer.ok, await answer.text()], [207, true, '{"ä":1}'])
  assert.equal(answer.headers.get('x-said'), 'POST /rpc/f?a=b%20c k')
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
})

test('an answer without a body has none', async t => {
  const { fetch } = await carried(t, (_, response) => void response.writeHead(204).end())
  const answer = await fetch('/')
  assert.deepEqual([answer.status, await answer.text()], [204, ''])
})

test('no answer is a TypeError that says why', async t => {
  const { fetch } = await carried(t, (_, response) => void response.destroy())
  await assert.rejects(fetch('/'), error => error instanceof TypeError && error.cause instanceof Error)

  const half = await carried(t, (_, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('half', () => response.destroy())
  })
  await assert.rejects(half.fetch('/'), error => error instanceof TypeError && error.cause instanceof Error)
})

test('one that takes too long, or is not wanted any more, rejects with the reason of that', async t => {
  const { fetch } = await carried(t, () => undefined, 20)
  await assert.rejects(fetch('/'), { name: 'TimeoutError' })
  const reason = new Error('not wanted')
  await assert.rejects(fetch('/', { signal: AbortSignal.abort(reason) }), reason)
})

test('it says who it is, and an encoding that was not asked for is no answer', async t => {
  const { fetch } = await carried(t, (request, response) => {
    if (request.url === '/packed') response.setHeader('content-encoding', 'br')
    response.end(`${request.headers['user-agent']} ${request.headers['accept-encoding']}`)
  })
  assert.match(await (await fetch('/')).text(), /^mediaferry\/\S+ identity$/)
  await assert.rejects(fetch('/packed'), ({ cause }) => /encoded as br/.test(String(cause)))
  await assert.rejects(fetch('/', { method: 'POST', body: new Uint8Array(3) }), TypeError)
})
