import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { UserError } from '../../src/errors.ts'
import { createTransfer, TransferError, type Usage } from '../../src/transfer/index.ts'
import {
  claimOf,
  type FakeMeta,
  fakeMeta,
  fakeStorage,
  jpeg,
  json,
  patient,
  serve,
  TOKEN,
  transferBetween,
} from './servers.ts'

const bytes = jpeg(3000)

function failsWith(code: string, verdict?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TransferError, String(error))
    assert.equal(error.failure.code, code)
    if (verdict !== undefined) assert.equal(error.failure.verdict, verdict)
    assert.ok(!JSON.stringify(error.failure).includes(TOKEN))
    assert.ok(!(error.evidence ?? '').includes(TOKEN))
    return true
  }
}

test('a media id is resolved with the token and our own User-Agent', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  meta.facts = { mime_type: 'image/jpeg', sha256: 'A'.repeat(64), file_size: '3000' }
  assert.deepEqual(await transfer.resolve(claimOf(), patient()), {
    url: `${meta.url}/media?ext=1`,
    mimeType: 'image/jpeg',
    sha256: 'a'.repeat(64),
    size: 3000,
  })
  assert.deepEqual(meta.asked, [
    { method: 'GET', url: '/v25.0/77', authorization: `Bearer ${TOKEN}`, agent: 'mediaferry/0.0.0-test' },
  ])
})

test('what the answer lacks, or says oddly, is null', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  for (const facts of [
    {},
    { mime_type: 7, sha256: 'short', file_size: -1 },
    { mime_type: '', sha256: null, file_size: '1e3' },
  ]) {
    meta.facts = facts
    const { url: _url, ...rest } = await transfer.resolve(claimOf(), patient())
    assert.deepEqual(rest, { mimeType: null, sha256: null, size: null })
  }
})

test('answers that are not what was asked for', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  const resolve = () => transfer.resolve(claimOf(), patient())
  const answering = (write: (response: ServerResponse) => void) => {
    meta.handle = (_request, response) => write(response)
    return resolve
  }
  await assert.rejects(
    answering(response => json(response, 200, { id: '77' })),
    failsWith('whatsapp_bad_answer', 'unattributed'),
  )
  await assert.rejects(
    answering(response => json(response, 200, [])),
    failsWith('whatsapp_bad_answer'),
  )
  await assert.rejects(
    answering(response => response.end('<html>')),
    failsWith('whatsapp_bad_answer'),
  )
  await assert.rejects(
    answering(response => json(response, 200, { error: { code: 190 } })),
    failsWith('token_rejected'),
  )
  const echo = { error: { code: 190, message: `Malformed access token ${TOKEN}` } }
  await assert.rejects(
    answering(response => json(response, 401, echo)),
    failsWith('token_rejected', 'interrupted'),
  )
  await assert.rejects(
    answering(response => json(response, 400, { error: { code: 9, message: TOKEN } })),
    failsWith('whatsapp_unknown'),
  )
  await assert.rejects(
    answering(response => response.socket?.destroy()),
    failsWith('whatsapp_unreachable', 'unattributed'),
  )
  await assert.rejects(
    answering(response => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('{"url":')
      setImmediate(() => response.socket?.destroy())
    }),
    failsWith('whatsapp_unreachable'),
  )
})

test('an id that could climb out of its address is refused for good', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  for (const mediaId of ['', '..', '../me', '77?fields=x', '77/x', '7 7', '7\n7', 'é']) {
    await assert.rejects(
      transfer.resolve(claimOf({ mediaId }), patient()),
      failsWith('media_id_invalid', 'fail'),
    )
  }
  assert.deepEqual(meta.asked, [])
})

test('a server that does not answer is a timeout', async t => {
  const meta = await fakeMeta(t, bytes)
  const storage = await fakeStorage(t)
  meta.handle = () => {}
  const byHeaders = transferBetween(t, meta, storage, { timeouts: { answerMs: 40 } })
  await assert.rejects(byHeaders.resolve(claimOf(), patient()), failsWith('whatsapp_timeout', 'unattributed'))
  const byDeadline = transferBetween(t, meta, storage, { timeouts: { callMs: 40 } })
  await assert.rejects(
    byDeadline.resolve(claimOf(), patient()),
    failsWith('whatsapp_timeout', 'unattributed'),
  )
})

test('nobody listening is unreachable', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, { ...meta, url: 'http://127.0.0.1:1' }, await fakeStorage(t))
  await assert.rejects(transfer.resolve(claimOf(), patient()), failsWith('whatsapp_unreachable'))
})

test('a stop counts nothing and closes the connection', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  const stop = new AbortController()
  const closed = new Promise<void>(resolve => {
    meta.handle = request => {
      request.socket.once('close', () => resolve())
      stop.abort()
    }
  })
  await assert.rejects(transfer.resolve(claimOf(), stop.signal), failsWith('stopped', 'interrupted'))
  await closed
  await assert.rejects(transfer.resolve(claimOf(), stop.signal), failsWith('stopped'), 'nor does it begin')
})

test('usage headers are told, of errors too', async t => {
  const meta = await fakeMeta(t, bytes)
  const told: Usage[] = []
  const transfer = transferBetween(t, meta, await fakeStorage(t), { onUsage: usage => told.push(usage) })
  meta.handle = (_request, response) =>
    json(response, 400, { error: { code: 4 } }, { 'x-app-usage': '{"call_count":100}' })
  await assert.rejects(transfer.resolve(claimOf(), patient()), failsWith('rate_limited', 'interrupted'))
  assert.deepEqual(told, [{ callCountPercent: 100, regainAccessMs: 0 }])
})

const at = (url: string) => ({ url, mimeType: 'image/jpeg', sha256: null, size: null })

test('the token is never sent to a host that is not allowed', async t => {
  const meta = await fakeMeta(t, bytes)
  const stranger = await serve(t, (_request, response) => response.end('x'))
  let strangers = 0
  stranger.handle = (_request, response) => {
    strangers += 1
    response.end('x')
  }
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  await assert.rejects(
    transfer.copy(claimOf(), at(`${stranger.url}/media`), patient()),
    failsWith('media_host_refused', 'retry'),
  )
  meta.download = (_request, response) =>
    response.writeHead(302, { location: `${stranger.url}/media?x=1` }).end()
  await assert.rejects(
    transfer.copy(claimOf(), at(`${meta.url}/media`), patient()),
    failsWith('media_host_refused'),
  )
  assert.equal(strangers, 0)
})

test('a redirect to another allowed host is followed without the token, and for good', async t => {
  const meta = await fakeMeta(t, bytes)
  const storage = await fakeStorage(t)
  const seen: (string | undefined)[] = []
  const other = await serve(t, (request, response) => {
    if (request.url !== '/') seen.push(request.headers.authorization)
    if (request.url === '/first') response.writeHead(307, { location: `${meta.url}/media/back` }).end()
    else response.end(bytes)
  })
  meta.download = (request, response) => {
    seen.push(request.headers.authorization)
    const location = request.url === '/media/here' ? '/media/there' : `${other.url}/first`
    if (request.url === '/media/back') response.end(bytes)
    else response.writeHead(301, { location }).end()
  }
  const transfer = transferBetween(t, meta, storage, { mediaHosts: [`127.0.0.1:${other.port}`] })
  await transfer.copy(claimOf(), at(`${meta.url}/media/here`), patient())
  assert.deepEqual(seen, [`Bearer ${TOKEN}`, `Bearer ${TOKEN}`, undefined, undefined])
})

test('at most three redirects', async t => {
  const meta = await fakeMeta(t, bytes)
  let asked = 0
  meta.download = (_request, response) => {
    asked += 1
    response.writeHead(302, { location: `/media/${asked}` }).end()
  }
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  await assert.rejects(
    transfer.copy(claimOf(), at(`${meta.url}/media`), patient()),
    failsWith('media_host_refused'),
  )
  assert.equal(asked, 4)
})

test('refused downloads, and downloads in an encoding nobody asked for', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  const copy = () => transfer.copy(claimOf(), at(`${meta.url}/media`), patient())
  for (const [status, code] of [
    [401, 'download_refused'],
    [404, 'download_refused'],
    [302, 'download_refused'],
    [429, 'rate_limited'],
    [503, 'whatsapp_unavailable'],
  ] as const) {
    meta.download = (_request, response) => response.writeHead(status).end('<html>')
    await assert.rejects(copy, failsWith(code))
  }
  meta.download = (request, response) => {
    assert.equal(request.headers['accept-encoding'], 'identity')
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes)
  }
  await assert.rejects(copy, failsWith('whatsapp_bad_answer'))
})

test('the probe reads the phone number, and whatever is wrong with it is an outage', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  const probe = () => transfer.probes.whatsapp('1065', patient())
  meta.handle = (request, response) =>
    json(response, 200, { id: request.url === '/v25.0/1065?fields=id' ? '1065' : 'me' })
  await probe()
  await transfer.probes.whatsapp(null, patient())
  meta.handle = (_request, response) => json(response, 200, { id: 'someone else' })
  await assert.rejects(probe, failsWith('whatsapp_bad_answer', 'interrupted'))
  meta.handle = (_request, response) => json(response, 400, { error: { code: 100, error_subcode: 33 } })
  await assert.rejects(probe, failsWith('phone_number_unreadable', 'interrupted'))
  meta.handle = (_request, response) => response.socket?.destroy()
  await assert.rejects(probe, failsWith('whatsapp_unreachable', 'interrupted'))
  await assert.rejects(transfer.probes.whatsapp('1065', AbortSignal.abort()), failsWith('stopped'))
})

test('a media host that gave no answer is asked by the probe too, without the token', async t => {
  const meta = await fakeMeta(t, bytes)
  meta.handle = (_request, response) => json(response, 200, { id: '1065' })
  const host = await serve(t, (_request, response) => response.end(bytes))
  const dead = await serve(t, request => request.socket.destroy())
  const transfer = transferBetween(t, meta, await fakeStorage(t), { mediaHosts: ['127.0.0.1'] })
  const probe = () => transfer.probes.whatsapp('1065', patient())
  const download = (from: { url: string }) => transfer.copy(claimOf(), at(`${from.url}/media`), patient())

  await assert.rejects(download(dead), failsWith('whatsapp_unreachable', 'unattributed'))
  await assert.rejects(probe, failsWith('whatsapp_unreachable', 'interrupted'))
  const asked: unknown[] = []
  dead.handle = ({ url, headers }, response) => {
    asked.push([url, headers.authorization])
    response.writeHead(404).end()
  }
  await probe()
  await probe()
  assert.deepEqual(asked, [['/', undefined]], 'and once it has answered no more')

  await download(host)
  dead.handle = request => request.socket.destroy()
  await assert.rejects(download(dead), failsWith('whatsapp_unreachable', 'unattributed'))
  await probe()
  host.handle = request => request.socket.destroy()
  await assert.rejects(probe, failsWith('whatsapp_unreachable', 'interrupted'), 'now all are down')
})

test('a media host that answers 5xx to everything is an outage, and one that does so for a file is not', {
  timeout: 20_000,
}, async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  const probe = () => transfer.probes.whatsapp('77', patient())
  const download = () => transfer.copy(claimOf(), at(`${meta.url}/media`), patient())
  const answering503: FakeMeta['knock'] = (_request, response) =>
    response.writeHead(503, { 'retry-after': '7' }).end('<html>')
  const knocks: unknown[] = []
  const learned = new Promise<void>(resolve => {
    meta.knock = ({ method, url, headers }, response) => {
      knocks.push([method, url, headers.authorization])
      response.writeHead(404).end()
      resolve()
    }
  })
  await download()
  await learned
  await download()
  await probe()
  assert.deepEqual(knocks, [['GET', '/', undefined]], 'once, without the token')

  meta.download = answering503
  await assert.rejects(download(), failsWith('whatsapp_unavailable', 'unattributed'))
  await probe()

  meta.knock = answering503
  await assert.rejects(download(), failsWith('whatsapp_unavailable', 'unattributed'))
  await assert.rejects(probe(), error => {
    assert.ok(error instanceof TransferError)
    const { verdict, code } = error.failure
    assert.deepEqual([verdict, code], ['interrupted', 'whatsapp_unavailable'])
    return 'retryAfterMs' in error.failure && error.failure.retryAfterMs === 7000
  })
  await assert.rejects(probe(), failsWith('whatsapp_unavailable', 'interrupted'))
  meta.knock = (_request, response) => response.writeHead(404).end()
  await probe()
})

test('what is learned of a media host disturbs nobody: it may hang, break, or be cut by the end', {
  timeout: 20_000,
}, async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  const asked = new Promise<void>(resolve => {
    meta.knock = () => resolve()
  })
  const file = () => transfer.copy(claimOf(), at(`${meta.url}/media`), patient())
  await file()
  await asked
  await file()
  await transfer.close()
})

test("a missing bucket is an outage when it is the configured one, and otherwise the row's", async t => {
  const meta = await fakeMeta(t, bytes)
  const storage = await fakeStorage(t)
  storage.before = (_request, response) => {
    json(response, 400, { statusCode: '404', code: 'NoSuchBucket', message: 'Bucket not found' })
    return true
  }
  const transfer = transferBetween(t, meta, storage)
  const ours = claimOf()
  const another = claimOf({ bucket: 'another' })
  for (const [claim, verdict] of [
    [ours, 'interrupted'],
    [another, 'unattributed'],
  ] as const) {
    const media = await transfer.resolve(claim, patient())
    await assert.rejects(transfer.copy(claim, media, patient()), failsWith('bucket_missing', verdict))
    await assert.rejects(
      transfer.resolve({ ...claim, claimToken: 2, declaredSha256: 'a'.repeat(64) }, patient()),
      failsWith('bucket_missing', verdict),
    )
  }
})

test('an address that would carry a key in clear text is refused at start', async () => {
  const config = {
    graphVersion: 'v25.0',
    accessToken: TOKEN,
    mediaHosts: [],
    supabaseKey: 'k',
    bucket: 'b',
    maxFileSize: 1,
    concurrency: 1,
    version: '0',
  }
  const make = (graphUrl: string, supabaseUrl: string) => createTransfer({ ...config, graphUrl, supabaseUrl })
  assert.throws(() => make('http://graph.facebook.com', 'https://x.supabase.co'), UserError)
  assert.throws(() => make('https://graph.facebook.com', 'http://x.supabase.co'), UserError)
  assert.throws(() => make('nonsense', 'https://x.supabase.co'), UserError)
  const transfer = make('https://graph.facebook.com', 'http://localhost:54321')
  await transfer.close()
  await transfer.close()
})

test('closing ends the connections', async t => {
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  await transfer.resolve(claimOf(), patient())
  const [socket] = meta.sockets
  assert.ok(socket)
  const closed = once(socket, 'close')
  await transfer.close()
  await closed
})
