import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { failsWith, quiet, scene } from './scene.ts'
import { claimOf, jpeg, json, sha256 } from './servers.ts'

/** One size for each way: gathered first, and streamed. */
const SIZES = { gathered: 100_000, streamed: 1_500_000 }
const KEY = 'attachments/5/41-1.jpg'

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
    for (const timeouts of [{ answerMs: 800 }, { copyMs: 1000 }]) {
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
