import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, test } from 'node:test'
import { UserError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createAccess } from '../../src/ops/access.ts'
import { startOps } from '../../src/ops/ops.ts'
import { openServer } from '../../src/ops/server.ts'
import { startTestOps, type TestOps, type TestOpsOptions } from '../support/ops.ts'
import { failedRow, fixtureRow, fixtures } from '../support/ops-fixtures.ts'

const TOKEN = 'a-token-of-sixteen'
const running: TestOps[] = []

async function ops(options: TestOpsOptions = {}): Promise<TestOps> {
  const started = await startTestOps(options)
  running.push(started)
  return started
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.stop()))
})

interface Wanted {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** fetch sets Host, Origin and the path's dots right by itself; this sends what it is told. */
async function ask(url: string, path: string, { method = 'GET', headers = {}, body }: Wanted = {}) {
  const { port, hostname } = new URL(url)
  const sent = request({ host: hostname, port, path, method, headers, agent: false })
  sent.end(body)
  const [answer] = await once(sent, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return { status: answer.statusCode, headers: answer.headers, text }
}

const change = (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Wanted => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', origin: url, ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

test('/livez and /readyz answer, the latter with 503 and reasons when it cannot work', async () => {
  const { url, fixtures: data } = await ops()
  assert.equal((await ask(url, '/livez')).status, 200)
  assert.deepEqual(JSON.parse((await ask(url, '/readyz')).text), {
    status: 'ready',
    state: 'running',
    reasons: [],
  })
  data.lifecycle = 'starting'
  const starting = await ask(url, '/readyz')
  assert.equal(starting.status, 503)
  assert.match(starting.text, /"state":"starting","reasons":\["starting/)
  data.lifecycle = 'paused'
  assert.equal((await ask(url, '/readyz')).status, 200)
  assert.deepEqual(data.asked, [], 'health asks nobody')
})

test('a port that is taken is a UserError that names OPS_PORT', async () => {
  const { url } = await ops()
  const { sources } = fixtures()
  const log = { info: () => undefined }
  await assert.rejects(
    startOps({
      host: '127.0.0.1',
      port: Number(new URL(url).port),
      token: undefined,
      version: '0',
      supabaseUrl: 'https://x.test',
      concurrency: 8,
      canaryIntervalMs: 30_000,
      sources,
      log: Object.assign(Object.create(null), log),
    }),
    (error: unknown) => error instanceof UserError && /OPS_PORT/.test(error.hint ?? ''),
  )
})

describe('on loopback', () => {
  test('another name, another origin and another site are refused everywhere, before anything is asked', async () => {
    const { url, fixtures: data } = await ops()
    for (const path of ['/', '/livez', '/metrics', '/api/summary', '/api/live', '/dashboard/uplot.js']) {
      for (const headers of [
        { host: 'evil.example' },
        { origin: 'https://evil.example' },
        { 'sec-fetch-site': 'cross-site' },
      ]) {
        const { status, text } = await ask(url, path, { headers })
        assert.equal(status, 403, `${path} ${JSON.stringify(headers)}`)
        assert.ok(JSON.parse(text).hint)
      }
    }
    assert.deepEqual(data.asked, [])
  })

  test('a change needs its own origin and JSON', async () => {
    const { url, fixtures: data } = await ops()
    assert.equal((await ask(url, '/api/pause', change(url, { reason: 'x' }))).status, 200)
    data.asked.length = 0
    const cases: readonly (readonly [Wanted, number])[] = [
      [{ ...change(url, {}), headers: { 'content-type': 'application/json' } }, 403],
      [change(url, {}, { origin: 'http://evil.example' }), 403],
      [change(url, {}, { origin: 'null' }), 403],
      [change(url, '{}', { 'content-type': 'text/plain' }), 415],
      [change(url, 'reason=x', { 'content-type': 'application/x-www-form-urlencoded' }), 415],
      [change(url, 'no json'), 400],
      [change(url, { reason: 7 }), 400],
      [change(url, { other: 1 }), 400],
      [change(url, { reason: 'a\0' }), 400],
      [change(url, '{"reason":"\\ud800"}'), 400],
      [change(url, '[]'), 400],
      [change(url, { reason: 'x'.repeat(20_000) }), 413],
      [change(url, { reason: 'x'.repeat(20_000) }, { 'transfer-encoding': 'chunked' }), 413],
    ]
    for (const [wanted, status] of cases) {
      const answer = await ask(url, '/api/pause', wanted)
      assert.equal(answer.status, status, `${JSON.stringify(wanted).slice(0, 150)}: ${answer.text}`)
      assert.deepEqual(Object.keys(JSON.parse(answer.text)), ['error', 'hint'])
    }
    assert.deepEqual(data.asked, [])
    assert.equal((await ask(url, '/api/pause')).status, 404, 'GET changes nothing')
  })

  test('no path leads out of the fixed list', async () => {
    const { url } = await ops()
    for (const path of [
      '/dashboard/../ops.ts',
      '/dashboard/..%2fops.ts',
      '/dashboard/%2e%2e/ops.ts',
      '/dashboard/....//ops.ts',
      '/..%2f..%2fpackage.json',
      '//etc/passwd',
      '/dashboard/main.ts',
      '/api/attachments/1e3',
      '/api/attachments/0x10',
      '/api/attachments/-1',
      '/api/attachments?q=%00',
      '/api/attachments?text=a%00',
      '/api/attachments?error=%00',
      '/api/attachments/99999999999999999999',
      `/${'x'.repeat(3000)}`,
    ]) {
      const { status } = await ask(url, path)
      assert.ok(status === 404 || status === 400, `${path}: ${status}`)
    }
    assert.equal((await ask(url, '/foo%')).status, 400)
  })

  test('every answer carries the headers that keep a browser safe', async () => {
    const { url } = await ops()
    for (const path of ['/', '/nothing', '/api/summary', '/foo%', '/dashboard/uplot.js', '/livez']) {
      const { headers } = await ask(url, path)
      assert.match(String(headers['content-security-policy']), /^default-src 'none'; /, path)
      assert.equal(headers['x-content-type-options'], 'nosniff', path)
      assert.equal(headers['x-frame-options'], 'DENY', path)
      assert.equal(headers['referrer-policy'], 'no-referrer', path)
      assert.ok(headers['cache-control'], path)
    }
    const foreign = await ask(url, '/', { headers: { host: 'evil.example' } })
    assert.match(String(foreign.headers['content-security-policy']), /frame-ancestors 'none'/)
  })

  test('an asset is asked for again by its tag', async () => {
    const { url } = await ops()
    const first = await ask(url, '/dashboard/uplot.js')
    assert.equal(first.headers['content-type'], 'text/javascript; charset=utf-8')
    const again = await ask(url, '/dashboard/uplot.js', {
      headers: { 'if-none-match': String(first.headers.etag) },
    })
    assert.deepEqual([again.status, again.text], [304, ''])
  })

  test('headers without an end are cut off', async () => {
    const { url } = await ops()
    const { status } = await ask(url, '/livez', { headers: { 'x-long': 'x'.repeat(17_000) } })
    assert.equal(status, 431)
  })
})

describe('with OPS_TOKEN', () => {
  const bearer = { authorization: `Bearer ${TOKEN}` }

  test('only the page, /livez and the word of /readyz are for everybody', async () => {
    const { url, fixtures: data } = await ops({ token: TOKEN })
    for (const path of [
      '/metrics',
      '/api/summary',
      '/api/live',
      '/api/attachments',
      '/api/openapi.json',
      '/nothing',
    ]) {
      const { status, headers } = await ask(url, path)
      assert.equal(status, 401, path)
      assert.match(String(headers['www-authenticate']), /^Bearer/)
      assert.equal(
        (await ask(url, path, { headers: { authorization: 'Bearer wrong-wrong-wrong' } })).status,
        401,
      )
    }
    assert.deepEqual(data.asked, [])
    assert.equal((await ask(url, '/')).status, 200)
    assert.equal((await ask(url, '/dashboard/uplot.js')).status, 200)
    data.lifecycle = 'starting'
    assert.deepEqual((await ask(url, '/readyz')).text, '{"status":"down"}')
    assert.match((await ask(url, '/readyz', { headers: bearer })).text, /reasons/)
    assert.equal((await ask(url, '/metrics', { headers: bearer })).status, 200)
  })

  test('a bearer token changes things without an origin, a cookie does not', async () => {
    const { url } = await ops({ token: TOKEN })
    const { headers: given, status } = await ask(url, '/login', change(url, { token: TOKEN }))
    assert.equal(status, 204)
    const [set = ''] = given['set-cookie'] ?? []
    assert.match(set, /HttpOnly; SameSite=Strict$/)
    const cookie = { cookie: set.split(';')[0] ?? '' }
    assert.equal((await ask(url, '/api/summary', { headers: cookie })).status, 200)
    assert.equal((await ask(url, '/api/pause', change(url, {}, cookie))).status, 200)
    const noOrigin = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }
    assert.equal(
      (await ask(url, '/api/pause', { ...noOrigin, headers: { ...noOrigin.headers, ...cookie } })).status,
      403,
    )
    assert.equal(
      (await ask(url, '/api/pause', { ...noOrigin, headers: { ...noOrigin.headers, ...bearer } })).status,
      200,
    )
    assert.equal((await ask(url, '/logout', change(url, {}, cookie))).status, 204)
    assert.equal((await ask(url, '/api/summary', { headers: cookie })).status, 401)
  })

  test('a form logs in too, and over TLS the cookie stays there', async () => {
    const { url } = await ops({ token: TOKEN })
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const plain = await ask(url, '/login', change(url, `token=${TOKEN}`, form))
    assert.deepEqual([plain.status, plain.headers.location], [303, '/'])
    const tls = await ask(
      url,
      '/login',
      change(url, { token: TOKEN }, { origin: url.replace('http:', 'https:') }),
    )
    assert.match(String(tls.headers['set-cookie']), /; Secure$/)
  })

  test('no token and no cookie reaches the log or an answer', async () => {
    const { url, entries } = await ops({ token: TOKEN })
    const wrong = await ask(url, '/login', change(url, { token: `${TOKEN}-wrong` }))
    assert.equal(wrong.status, 401)
    await ask(url, '/api/summary', { headers: { authorization: `Bearer ${TOKEN}` } })
    await ask(url, '/login', change(url, { token: TOKEN }))
    assert.doesNotMatch(JSON.stringify(entries) + wrong.text, new RegExp(TOKEN))
  })
})

describe('files', () => {
  test('a picture is shown through a signed URL, everything else is a download under a clean name', async () => {
    const { url, fixtures: data } = await ops()
    data.rows = [
      fixtureRow(1),
      fixtureRow(2, { content_type: 'image/svg+xml', file_name: '../x".svg' }),
      failedRow(3, 'media_gone'),
    ]
    const shown = await ask(url, '/api/attachments/1/file')
    assert.equal(shown.status, 302)
    assert.match(String(shown.headers.location), /^https:\/\/project\.supabase\.test\/storage/)
    assert.equal(shown.headers['cache-control'], 'no-store')
    await ask(url, '/api/attachments/1/file?download=1')
    await ask(url, '/api/attachments/2/file')
    assert.deepEqual(
      data.signed.map(({ key, seconds, download }) => ({ key, seconds, download })),
      [
        { key: '7/1-1.jpg', seconds: 60, download: null },
        { key: '7/1-1.jpg', seconds: 60, download: '1.jpg' },
        { key: '7/2-1.jpg', seconds: 60, download: '_x_.svg' },
      ],
    )
    assert.equal((await ask(url, '/api/attachments/3/file')).status, 409)
    assert.equal((await ask(url, '/api/attachments/4/file')).status, 404)
  })

  test('an object that Storage does not have is a 404 that says what to do', async () => {
    const { url, fixtures: data } = await ops({ sources: { signFile: async () => null } })
    data.rows = [fixtureRow(1)]
    const { status, text } = await ask(url, '/api/attachments/1/file')
    assert.equal(status, 404)
    assert.match(text, /verify --repair/)
  })
})

test('a database that is away is a 503 without secrets, and the last summary stays', async () => {
  const { url, fixtures: data } = await ops()
  data.databaseError = new Error('fetch https://project.supabase.test/rest with sb_secret_abcdefgh failed')
  for (const path of ['/api/summary', '/api/attachments', '/api/attachments/1', '/api/failures']) {
    const { status, text } = await ask(url, path)
    assert.equal(status, 503, path)
    assert.doesNotMatch(text, /sb_secret|supabase\.test/)
  }
})

test('whoever asks and never reads the answer is let go', async t => {
  const assets = { get: () => ({ type: 'text/plain', body: Buffer.alloc(2 ** 20), etag: '"x"' }) }
  const server = await openServer({
    host: '127.0.0.1',
    port: 0,
    access: createAccess(undefined),
    assets,
    api: [],
    openapi: {},
    ready: () => ({ status: 200, body: {} }),
    metrics: async () => ({ type: 'text/plain', text: '' }),
    headers: {},
    log: createLog('silent'),
    idleMs: 200,
  })
  const { host, port } = new URL(server.url)
  const deaf = connect(Number(port), '127.0.0.1')
  // One that reads nothing learns of the end by writing.
  const tries = setInterval(() => deaf.write(' '), 500)
  t.after(async () => {
    clearInterval(tries)
    deaf.destroy()
    await server.close()
  })
  const failed = new Promise(resolve => deaf.once('error', resolve))
  deaf.pause()
  deaf.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(40))
  assert.match(String(await failed), /ECONNRESET|EPIPE/)
})

test('streams end and the port is free when it stops, also with a connection that says nothing', async () => {
  const started = await ops()
  const { port } = new URL(started.url)
  const idle = connect(Number(port), '127.0.0.1')
  await once(idle, 'connect')
  const closed = once(idle, 'close')
  idle.on('error', () => undefined)
  const stream = await fetch(`${started.url}/api/live`)
  assert.equal(stream.headers.get('content-type'), 'text/event-stream')
  await Promise.all([started.stop(), started.stop()])
  assert.match(await stream.text(), /^retry: /)
  await closed
  await assert.rejects(fetch(`${started.url}/livez`))
})
