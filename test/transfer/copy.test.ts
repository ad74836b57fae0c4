import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { TransferError } from '../../src/transfer/index.ts'
import {
  claimOf,
  fakeMeta,
  fakeStorage,
  jpeg,
  json,
  patient,
  sha256,
  type TestServer,
  transferBetween,
} from './servers.ts'

/** One size for each way: gathered first, and streamed. */
const SIZES = { gathered: 100_000, streamed: 1_500_000 }
const KEY = 'attachments/5/41-1.jpg'

type Changes = Parameters<typeof transferBetween>[3]

async function scene(t: Parameters<typeof fakeMeta>[0], bytes: Buffer, changes: Changes = {}) {
  const meta = await fakeMeta(t, bytes)
  const storage = await fakeStorage(t)
  const transfer = transferBetween(t, meta, storage, changes)
  const copy = async (claim = claimOf(), signal = patient()) =>
    transfer.copy(claim, await transfer.resolve(claim, signal), signal)
  return { meta, storage, transfer, copy }
}

function failsWith(code: string, verdict: string, dependency?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TransferError, String(error))
    const { failure } = error
    assert.deepEqual([failure.code, failure.verdict], [code, verdict])
    if (dependency !== undefined) assert.equal('dependency' in failure && failure.dependency, dependency)
    return true
  }
}

/** Settles when a server has no connection left. */
async function quiet({ sockets }: TestServer): Promise<void> {
  await Promise.all(
    [...sockets].map(socket =>
      socket.destroyed ? undefined : new Promise(resolve => socket.once('close', resolve)),
    ),
  )
}

for (const [way, size] of Object.entries(SIZES)) {
  const bytes = jpeg(size)

  test(`${way}: the bytes arrive as they are, with their length declared`, async t => {
    const { copy, storage } = await scene(t, bytes)
    assert.deepEqual(await copy(), {
      objectKey: '5/41-1.jpg',
      contentType: 'image/jpeg',
      sizeBytes: size,
      sha256: sha256(bytes),
      verified: true,
      notes: [],
    })
    assert.ok(storage.objects.get(KEY)?.bytes.equals(bytes))
    assert.equal(storage.headers[0]?.['content-length'], String(size))
    assert.equal(storage.headers[0]?.['transfer-encoding'], undefined)
  })

  test(`${way}: a download without a length, of a size nobody declared`, async t => {
    const { copy, storage, meta } = await scene(t, bytes)
    meta.facts = { mime_type: 'image/jpeg' }
    meta.download = (_request, response) => {
      response.write(bytes.subarray(0, 7000))
      response.end(bytes.subarray(7000))
    }
    const stored = await copy()
    assert.equal(stored.verified, false)
    assert.equal(stored.sizeBytes, size)
    assert.ok(storage.objects.get(KEY)?.bytes.equals(bytes))
  })

  test(`${way}: a wrong hash never becomes an object`, async t => {
    const { copy, storage, meta } = await scene(t, bytes)
    meta.facts = { mime_type: 'image/jpeg', file_size: size, sha256: '0'.repeat(64) }
    let finished = 0
    storage.before = (request, response) => {
      if (request.method === 'POST')
        response.on('finish', () => {
          finished += 1
        })
      return false
    }
    await assert.rejects(copy(), failsWith('integrity', 'retry'))
    assert.equal(storage.objects.size, 0)
    assert.equal(finished, 0, 'no upload was ever finished')
  })

  test(`${way}: a wrong length is no whole file`, async t => {
    const { copy, storage, meta } = await scene(t, bytes)
    for (const wrong of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.alloc(1)])]) {
      for (const declared of [true, false]) {
        meta.download = (_request, response) => {
          response.writeHead(200, declared ? { 'content-length': wrong.length } : {})
          response.end(wrong)
        }
        await assert.rejects(copy(), failsWith('integrity', 'retry'))
      }
    }
    assert.equal(storage.objects.size, 0)
  })

  test(`${way}: a download that is cut`, async t => {
    const { copy, storage, meta } = await scene(t, bytes)
    for (const cutAt of [1, size / 2, size - 1]) {
      meta.download = (_request, response) => {
        response.writeHead(200, { 'content-length': size })
        response.write(bytes.subarray(0, cutAt), () => response.socket?.destroy())
      }
      await assert.rejects(copy(), failsWith('whatsapp_unreachable', 'unattributed', 'whatsapp'))
    }
    assert.equal(storage.objects.size, 0)
  })

  test(`${way}: one that never ends although bytes trickle is WhatsApp's`, async t => {
    const { copy, meta } = await scene(t, bytes, { timeouts: { copyMs: 150 } })
    meta.download = (_request, response) => {
      response.writeHead(200, { 'content-length': size })
      response.write(bytes.subarray(0, size / 2))
      const timer = setInterval(() => response.write('x'), 10)
      response.on('close', () => clearInterval(timer))
    }
    await assert.rejects(copy(), failsWith('whatsapp_timeout', 'unattributed', 'whatsapp'))
  })

  test(`${way}: a Storage that takes the bytes and never answers`, async t => {
    for (const timeouts of [{ answerMs: 80 }, { copyMs: 150 }]) {
      const { copy, storage } = await scene(t, bytes, { timeouts: { ...timeouts, callMs: 100 } })
      storage.before = request => {
        request.resume()
        return true
      }
      await assert.rejects(copy(), failsWith('storage_timeout', 'unattributed', 'storage'))
      await quiet(storage)
    }
  })

  test(`${way}: the answer of an upload is lost, the object is there`, async t => {
    const { copy, storage } = await scene(t, bytes)
    storage.before = (request, response) => {
      if (request.method !== 'POST') return false
      request.resume().on('end', () => {
        storage.objects.set(KEY, { bytes, type: 'image/jpeg' })
        response.destroy()
      })
      return true
    }
    const stored = await copy()
    assert.equal(stored.sha256, sha256(bytes))
    assert.deepEqual(stored.notes, [{ event: 'answer_lost', detail: { object_key: '5/41-1.jpg' } }])
    assert.equal(storage.objects.size, 1)
  })

  test(`${way}: the answer is lost and other bytes are there`, async t => {
    const { copy, storage } = await scene(t, bytes)
    storage.before = (request, response) => {
      if (request.method !== 'POST') return false
      request.resume().on('end', () => {
        storage.objects.set(KEY, { bytes: Buffer.alloc(size), type: '' })
        response.destroy()
      })
      return true
    }
    await assert.rejects(copy(), failsWith('storage_unreachable', 'unattributed', 'storage'))
    assert.equal(storage.objects.size, 0, 'its own key is removed')
  })

  test(`${way}: the answer is lost and nothing is there`, async t => {
    const { copy, storage } = await scene(t, bytes)
    storage.before = (request, response) => {
      if (request.method !== 'POST') return false
      request.resume().on('end', () => response.destroy())
      return true
    }
    await assert.rejects(copy(), failsWith('storage_unreachable', 'unattributed', 'storage'))
    assert.deepEqual(storage.asked, [`POST /object/${KEY}`, `GET /object/info/${KEY}`])
  })

  test(`${way}: the key is taken by the same bytes, or by others`, async t => {
    const { copy, storage } = await scene(t, bytes)
    storage.objects.set(KEY, { bytes, type: 'image/jpeg' })
    const stored = await copy()
    assert.equal(stored.sizeBytes, size)
    assert.equal(stored.notes[0]?.event, 'object_existed')
    storage.objects.set(KEY, { bytes: Buffer.alloc(size), type: '' })
    storage.objects.set('attachments/5/41-2.jpg', { bytes, type: '' })
    await assert.rejects(copy(), failsWith('storage_key_taken', 'retry'))
    assert.deepEqual([...storage.objects.keys()], ['attachments/5/41-2.jpg'], 'its own key and no other')
  })

  test(`${way}: an upload refused early`, async t => {
    const { copy, storage, meta } = await scene(t, bytes)
    storage.before = (_request, response) => {
      json(response, 400, {
        statusCode: '413',
        code: 'EntityTooLarge',
        message: 'The object exceeded the maximum allowed size',
      })
      return true
    }
    await assert.rejects(copy(), failsWith('storage_size_limit', 'fail'))
    storage.before = (_request, response) => {
      json(response, 400, { statusCode: '404', code: 'NoSuchBucket', message: 'Bucket not found' })
      return true
    }
    storage.asked.length = 0
    await assert.rejects(copy(), failsWith('bucket_missing', 'interrupted', 'storage'))
    assert.equal(storage.asked.length, 1, 'what is known to be down is asked nothing more')
    assert.ok(meta.asked.length > 0)
  })

  test(`${way}: an answer with another key than the one that was sent`, async t => {
    const { copy, storage } = await scene(t, bytes)
    storage.before = (request, response) => {
      if (request.method !== 'POST') return false
      request.resume().on('end', () => json(response, 200, { Key: 'attachments/5/41', Id: 'x' }))
      return true
    }
    await assert.rejects(copy(), failsWith('storage_bad_answer', 'unattributed', 'storage'))
  })

  test(`${way}: a stop at any moment leaves no connection behind`, async t => {
    const { copy, storage, meta } = await scene(t, bytes)
    const { download } = meta
    const stopWhen = async (arrange: (stop: (socket: Socket) => void) => void) => {
      const stop = new AbortController()
      let closed: Promise<unknown> | undefined
      arrange(socket => {
        closed = new Promise(resolve => socket.once('close', resolve))
        stop.abort()
      })
      await assert.rejects(copy(claimOf(), stop.signal), failsWith('stopped', 'interrupted'))
      assert.ok(closed)
      await closed
    }
    await stopWhen(stop => {
      meta.download = request => stop(request.socket)
    })
    await stopWhen(stop => {
      meta.download = (request, response) => {
        response.writeHead(200, { 'content-length': size })
        response.write(bytes.subarray(0, size / 2), () => setImmediate(() => stop(request.socket)))
      }
    })
    meta.download = download
    await stopWhen(stop => {
      storage.before = request => {
        request.once('data', () => stop(request.socket))
        return true
      }
    })
    await stopWhen(stop => {
      storage.before = request => {
        request.resume().once('end', () => stop(request.socket))
        return true
      }
    })
    assert.equal(storage.objects.size, 0)
  })
}

// Once only: undici's timer for bodies has a resolution of about a second.
test('a download that stalls', async t => {
  const bytes = jpeg(SIZES.streamed)
  const { copy, storage, meta } = await scene(t, bytes, { timeouts: { idleMs: 60 } })
  meta.download = (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, 700_000))
  }
  await assert.rejects(copy(), failsWith('whatsapp_timeout', 'unattributed', 'whatsapp'))
  assert.equal(storage.objects.size, 0)
  await quiet(meta)
})

test('Storage is slower than Meta: the download waits and is not taken for stalled', async t => {
  const bytes = jpeg(6_000_000)
  const { copy, storage } = await scene(t, bytes, { timeouts: { idleMs: 50 } })
  storage.before = request => {
    request.pause()
    const timer = setTimeout(() => request.resume(), 200)
    request.on('close', () => clearTimeout(timer))
    return false
  }
  assert.equal((await copy()).sizeBytes, bytes.length)
})

test('a Storage that stops taking bytes in the middle is a timeout of Storage', async t => {
  const bytes = jpeg(12_000_000)
  const { copy, storage } = await scene(t, bytes, { timeouts: { answerMs: 150, callMs: 100 } })
  storage.before = request => {
    request.once('data', () => request.pause())
    return true
  }
  await assert.rejects(copy(), failsWith('storage_timeout', 'unattributed', 'storage'))
})

test('an empty file is whole when it was declared so, and only then', async t => {
  const { copy, meta, storage } = await scene(t, Buffer.alloc(0))
  const stored = await copy()
  assert.deepEqual([stored.sizeBytes, stored.verified], [0, true])
  assert.equal(storage.objects.get(KEY)?.bytes.length, 0)
  meta.facts = { mime_type: 'image/jpeg', file_size: 10 }
  await assert.rejects(copy(claimOf({ claimToken: 2 })), failsWith('integrity', 'retry'))
})

test('the size limit holds for what is declared, for what is announced and for what comes', async t => {
  const bytes = jpeg(50_000)
  const { copy, meta, storage } = await scene(t, bytes, { maxFileSize: 40_000 })
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  assert.equal(meta.asked.length, 1, 'not even downloaded')
  meta.facts = { mime_type: 'image/jpeg' }
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  meta.download = (_request, response) => {
    response.write(bytes.subarray(0, 100))
    response.end(bytes.subarray(100))
  }
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  assert.deepEqual(storage.asked, [])
})

test('the size limit holds in the stream', async t => {
  const bytes = jpeg(3_000_000)
  const { copy, meta, storage } = await scene(t, bytes, { maxFileSize: 1_000_000 })
  meta.facts = { mime_type: 'image/jpeg' }
  meta.download = (_request, response) => {
    response.write(bytes.subarray(0, 900_000))
    response.end(bytes.subarray(900_000))
  }
  await assert.rejects(copy(), failsWith('too_large', 'fail'))
  assert.equal(storage.objects.size, 0)
})

test('an error page in place of the file', async t => {
  const { copy, meta, storage } = await scene(t, jpeg(2000))
  const pages = ['<!DOCTYPE html><title>Sorry</title>', '{"error":{"message":"no"}}']
  const declared = [{ sha256: 'a'.repeat(64), file_size: 2000 }, { file_size: 2000 }, {}]
  for (const page of pages) {
    meta.download = (_request, response) => response.end(page)
    for (const facts of declared) {
      meta.facts = { mime_type: 'image/jpeg', ...facts }
      await assert.rejects(copy(), failsWith('error_page', 'unattributed', 'whatsapp'))
    }
  }
  assert.deepEqual(storage.asked, [])
})

test('a page is a file when its hash matches, when its type explains it, or when its size does', async t => {
  const page = Buffer.from('<!DOCTYPE html><title>A document</title>')
  const { copy, meta, storage } = await scene(t, page)
  meta.facts = { mime_type: 'image/jpeg', sha256: sha256(page), file_size: page.length }
  const byHash = await copy()
  assert.deepEqual(byHash.notes, [
    { event: 'type_differs', detail: { declared: 'image/jpeg', found: 'text/html' } },
  ])
  meta.facts = { mime_type: 'text/html' }
  const byType = await copy(claimOf({ claimToken: 2 }))
  assert.deepEqual(
    [byType.contentType, byType.notes],
    ['application/octet-stream', []],
    'and no browser runs it',
  )
  meta.facts = { mime_type: 'application/octet-stream', file_size: page.length }
  assert.equal((await copy(claimOf({ claimToken: 3 }))).verified, false)
  assert.equal(storage.objects.size, 3)
})

test("the webhook's hash counts where Graph names none, and another type than declared is noted", async t => {
  const bytes = Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(500)])
  const { copy, meta } = await scene(t, bytes)
  meta.facts = {}
  const stored = await copy(claimOf({ declaredSha256: sha256(bytes) }))
  assert.equal(stored.verified, true)
  assert.deepEqual(stored.notes, [
    { event: 'type_differs', detail: { declared: 'image/jpeg', found: 'application/pdf' } },
  ])
  await assert.rejects(copy(claimOf({ declaredSha256: '0'.repeat(64) })), failsWith('integrity', 'retry'))
})

test('a row that makes no safe key is refused before anything is asked', async t => {
  const { copy, meta, storage, transfer } = await scene(t, jpeg(10))
  const media = { url: `${meta.url}/media`, mimeType: null, sha256: null, size: null }
  await assert.rejects(
    transfer.copy(claimOf({ objectPrefix: '../x' }), media, patient()),
    failsWith('object_key_unsafe', 'fail'),
  )
  await assert.rejects(copy(claimOf({ bucket: '..' })), failsWith('object_key_unsafe', 'fail'))
  assert.deepEqual(storage.asked, [])
})
