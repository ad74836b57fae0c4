import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TransferError } from '../../src/transfer/index.ts'
import { authHeaders } from '../../src/transfer/storage.ts'
import { fakeMeta, fakeStorage, json, KEY, patient, sha256, transferBetween } from './servers.ts'

async function scene(t: Parameters<typeof fakeStorage>[0]) {
  const server = await fakeStorage(t)
  const { storage, probes } = transferBetween(t, await fakeMeta(t, Buffer.alloc(0)), server, {
    timeouts: { callMs: 2000 },
  })
  return { server, storage, probes }
}

function failsWith(code: string, verdict?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TransferError, String(error))
    assert.equal(error.failure.code, code)
    if (verdict !== undefined) assert.equal(error.failure.verdict, verdict)
    assert.ok(!`${error.failure.message}${error.evidence}`.includes(KEY))
    return true
  }
}

test('a new key goes into apikey alone, a JWT into both headers', () => {
  assert.deepEqual(authHeaders('sb_secret_abc', '1'), {
    apikey: 'sb_secret_abc',
    'user-agent': 'mediaferry/1',
  })
  assert.deepEqual(authHeaders('eyJhbGciOi.x.y', '1'), {
    apikey: 'eyJhbGciOi.x.y',
    authorization: 'Bearer eyJhbGciOi.x.y',
    'user-agent': 'mediaferry/1',
  })
})

test('what is there can be asked for, hashed, listed, moved and removed', async t => {
  const { server, storage } = await scene(t)
  const body = Buffer.from('some bytes')
  const upload = {
    bucket: 'attachments',
    key: '5/7-1.bin',
    contentType: 'text/plain',
    body,
    length: body.length,
  }
  assert.equal(await storage.upload(upload, patient()), 'stored')
  assert.equal(await storage.upload(upload, patient()), 'exists')
  assert.deepEqual(await storage.objectInfo('attachments', '5/7-1.bin', patient()), { size: 10 })
  assert.deepEqual(await storage.hashObject('attachments', '5/7-1.bin', patient()), {
    sha256: sha256(body),
    size: 10,
    contentType: 'text/plain',
  })
  const page = { search: '7-', limit: 10, offset: 0 }
  assert.deepEqual(await storage.listObjects('attachments', '5', page, patient()), [
    { name: '7-1.bin', isFolder: false, size: 10, createdAt: '2026-11-22T00:00:00.000Z' },
  ])
  assert.equal(await storage.moveObject('attachments', '5/7-1.bin', '5/7-2.bin', patient()), true)
  assert.equal(await storage.moveObject('attachments', '5/7-1.bin', '5/7-3.bin', patient()), false)
  assert.deepEqual([...server.objects.keys()], ['attachments/5/7-2.bin'])
  await storage.removeObjects('attachments', ['5/7-2.bin', '5/never.bin'], patient())
  assert.equal(server.objects.size, 0)
})

test('an object is signed for, with a name to save it under or none', async t => {
  const { server, storage } = await scene(t)
  const wanted = { bucket: 'attachments', key: '5/7-1.bin', seconds: 60, download: null }
  assert.equal(await storage.signUrl(wanted, patient()), null)
  const upload = { ...wanted, contentType: 'text/plain', body: Buffer.from('x'), length: 1 }
  await storage.upload(upload, patient())
  const path = `${server.url}/storage/v1/object/sign/attachments/5/7-1.bin?token=t.60`
  assert.equal(await storage.signUrl(wanted, patient()), path)
  const named = await storage.signUrl({ ...wanted, download: 'ä & b.pdf' }, patient())
  assert.equal(named, `${path}&download=%C3%A4+%26+b.pdf`)
})

test('what is not there is null, but a missing bucket is an outage', async t => {
  const { server, storage } = await scene(t)
  assert.equal(await storage.objectInfo('attachments', '5/x', patient()), null)
  assert.equal(await storage.hashObject('attachments', '5/x', patient()), null)
  server.before = (_request, response) => {
    json(response, 400, { statusCode: '404', code: 'NoSuchBucket', message: 'Bucket not found' })
    return true
  }
  await assert.rejects(
    storage.objectInfo('attachments', '5/x', patient()),
    failsWith('bucket_missing', 'interrupted'),
  )
  await assert.rejects(storage.hashObject('attachments', '5/x', patient()), failsWith('bucket_missing'))
  await assert.rejects(storage.readBucket('attachments', patient()), failsWith('bucket_missing'))
  await assert.rejects(
    storage.moveObject('attachments', '5/x', '5/y', patient()),
    failsWith('bucket_missing'),
  )
  await assert.rejects(storage.removeObjects('attachments', ['5/x'], patient()), failsWith('bucket_missing'))
})

test('an unsafe key or bucket never becomes an address', async t => {
  const { server, storage } = await scene(t)
  for (const key of ['', '..', '../x', 'a/../b', 'a#b', 'a?b', '/a', 'a//b', 'é', 'a%2eb', 'a b', 'a\\b']) {
    const upload = { bucket: 'attachments', key, contentType: 'x/y', body: Buffer.alloc(0), length: 0 }
    const calls = [
      async () => storage.upload(upload, patient()),
      async () => storage.objectInfo('attachments', key, patient()),
      async () => storage.hashObject('attachments', key, patient()),
      async () => storage.moveObject('attachments', key, '5/x', patient()),
      async () => storage.moveObject('attachments', '5/x', key, patient()),
      async () => storage.removeObjects('attachments', ['5/x', key], patient()),
    ]
    for (const call of calls) await assert.rejects(call, failsWith('object_key_unsafe', 'fail'))
  }
  await assert.rejects(async () => storage.readBucket('..', patient()), failsWith('object_key_unsafe'))
  assert.deepEqual(server.asked, [])
})

test('many keys are removed in pages', async t => {
  const { server, storage } = await scene(t)
  const keys = Array.from({ length: 1100 }, (_, at) => `5/${at}-1.jpg`)
  await storage.removeObjects('attachments', keys, patient())
  assert.deepEqual(server.asked, Array(3).fill('DELETE /object/attachments'))
})

test('answers that cannot be read, and none at all', async t => {
  const { server, storage } = await scene(t)
  server.before = (_request, response) => {
    response.end('<html>')
    return true
  }
  const page = { search: '', limit: 1, offset: 0 }
  await assert.rejects(
    storage.objectInfo('attachments', '5/x', patient()),
    failsWith('storage_bad_answer', 'unattributed'),
  )
  await assert.rejects(
    storage.listObjects('attachments', '5', page, patient()),
    failsWith('storage_bad_answer'),
  )
  server.before = (_request, response) => {
    json(response, 401, { message: `Invalid API key ${KEY}` })
    return true
  }
  await assert.rejects(
    storage.objectInfo('attachments', '5/x', patient()),
    failsWith('credentials', 'interrupted'),
  )
  server.before = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('some', () => response.destroy())
    return true
  }
  await assert.rejects(
    storage.hashObject('attachments', '5/x', patient()),
    failsWith('storage_unreachable', 'unattributed'),
  )
  await assert.rejects(storage.objectInfo('attachments', '5/x', AbortSignal.abort()), failsWith('stopped'))
})

test('the probe reads the bucket, and writes and removes a small object of its own', async t => {
  const { server, probes } = await scene(t)
  await probes.storage(patient())
  assert.equal(server.objects.size, 0)
  const [bucket, write, remove] = server.asked
  assert.equal(bucket, 'GET /bucket/attachments')
  assert.match(write ?? '', /^POST \/object\/attachments\/\.probe\/[0-9a-f-]{36}\.bin$/)
  assert.equal(remove, 'DELETE /object/attachments')
})

test('whatever the probe meets is an outage', async t => {
  const { server, probes } = await scene(t)
  const answers: [number, object, string][] = [
    [400, { statusCode: '404', code: 'NoSuchBucket' }, 'bucket_missing'],
    [400, { statusCode: '403', message: 'new row violates row-level security policy' }, 'permission'],
    [400, { statusCode: '415', code: 'InvalidMimeType' }, 'storage_type_refused'],
    [500, { code: 'InternalError' }, 'storage_unavailable'],
    [418, {}, 'storage_unknown'],
  ]
  for (const [status, body, code] of answers) {
    server.before = (request, response) => {
      if (request.method === 'GET') return false
      json(response, status, body)
      return true
    }
    await assert.rejects(probes.storage(patient()), failsWith(code, 'interrupted'))
  }
  server.before = (_request, response) => {
    response.destroy()
    return true
  }
  await assert.rejects(probes.storage(patient()), failsWith('storage_unreachable', 'interrupted'))
  await assert.rejects(probes.storage(AbortSignal.abort()), failsWith('stopped', 'interrupted'))
})
