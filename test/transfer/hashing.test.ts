import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openHasher } from '../../src/transfer/hashing.ts'
import { openRooms, type Rooms } from '../../src/transfer/rooms.ts'
import { sha256 } from './servers.ts'

const KB = 1024

function busyHasher(t: TestContext) {
  const hasher = openHasher({ busy: () => true, threads: 2 })
  t.after(hasher.close)
  return hasher
}

/** What the process has been warned of since then. */
function warnings(t: TestContext): string[] {
  const heard: string[] = []
  const hear = (warning: Error) => void heard.push(warning.message)
  process.on('warning', hear)
  t.after(() => process.off('warning', hear))
  return heard
}

const told = async (heard: readonly string[], text: RegExp): Promise<void> => {
  await nextTurn()
  assert.ok(
    heard.some(warning => text.test(warning)),
    String(heard),
  )
}

function bodyIn(rooms: Rooms, size: number): Buffer {
  const body = rooms.take(size)
  body.fill(randomBytes(64))
  body.writeUInt32BE(size)
  return body
}

test('every body has its own hash, however many are asked for at once', async t => {
  const hasher = busyHasher(t)
  const rooms = openRooms({ bytes: 128 * KB, most: 1600 })
  // Of all sizes, a quarter of them too small to be asked for; the others are more than the ring has places.
  const bodies = Array.from({ length: 1600 }, (_, at) => bodyIn(rooms, 4 + ((at * 7919) % (127 * KB))))
  assert.deepEqual(await Promise.all(bodies.map(hasher.sha256)), bodies.map(sha256))
})

test('a room is hashed with what is in it now', async t => {
  const hasher = busyHasher(t)
  const rooms = openRooms({ bytes: 512 * KB, most: 50 })
  const seen = new Set<ArrayBufferLike>()
  for (const size of [200 * KB, 512 * KB, 40 * KB]) {
    const body = bodyIn(rooms, size)
    seen.add(body.buffer)
    assert.equal(await hasher.sha256(body), sha256(body))
    rooms.giveBack(body)
  }
  assert.equal(seen.size, 1)
})

test('so is memory that is no room, and a part of one', async t => {
  const hasher = busyHasher(t)
  const part = bodyIn(openRooms({ bytes: 512 * KB, most: 50 }), 200 * KB).subarray(1)
  const own = randomBytes(200 * KB)
  assert.deepEqual(await Promise.all([part, own].map(hasher.sha256)), [part, own].map(sha256))
})

test('places of the ring are used again', async t => {
  const hasher = busyHasher(t)
  const rooms = openRooms({ bytes: 64 * KB, most: 300 })
  for (let round = 0; round < 8; round++) {
    const bodies = Array.from({ length: 300 }, () => bodyIn(rooms, 40 * KB + round))
    assert.deepEqual(await Promise.all(bodies.map(hasher.sha256)), bodies.map(sha256))
    for (const body of bodies) rooms.giveBack(body)
  }
})

test('a thread that cannot work costs no hash', async t => {
  const heard = warnings(t)
  const script = new URL('data:text/javascript,throw new Error("no threads today")')
  const hasher = openHasher({ busy: () => true, threads: 2, script })
  t.after(hasher.close)
  const rooms = openRooms({ bytes: 512 * KB, most: 50 })
  const bodies = Array.from({ length: 20 }, () => bodyIn(rooms, 100 * KB))
  assert.deepEqual(await Promise.all(bodies.map(hasher.sha256)), bodies.map(sha256))
  await told(heard, /hashes are made without: no threads today/)
})

test('nor does one that is stuck', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const script = new URL('data:text/javascript,Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)')
  const hasher = openHasher({ busy: () => true, threads: 2, script })
  t.after(hasher.close)
  const heard = warnings(t)
  const body = bodyIn(openRooms({ bytes: 512 * KB, most: 50 }), 100 * KB)
  const asked = hasher.sha256(body)
  t.mock.timers.tick(10_000)
  assert.equal(await asked, sha256(body))
  await told(heard, /no answer for 10 s/)
})

test('what is asked for when it ends is answered, and later questions are too', async () => {
  const hasher = openHasher({ busy: () => true, threads: 2 })
  const rooms = openRooms({ bytes: 512 * KB, most: 50 })
  const bodies = Array.from({ length: 50 }, () => bodyIn(rooms, 500 * KB))
  const asked = bodies.map(hasher.sha256)
  await hasher.close()
  assert.deepEqual(await Promise.all(asked), bodies.map(sha256))
  const late = bodyIn(rooms, 100 * KB)
  assert.equal(await hasher.sha256(late), sha256(late))
})
