import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { openHasher } from '../../src/transfer/hashing.ts'
import { openRooms, type Rooms } from '../../src/transfer/rooms.ts'
import { sha256 } from './servers.ts'

const KB = 1024

function busyHasher(t: TestContext) {
  const hasher = openHasher({ busy: () => true, threads: 2 })
  t.after(hasher.close)
  return hasher
}

function bodyIn(rooms: Rooms, size: number): Buffer {
  const body = rooms.take(size)
  body.fill(randomBytes(64))
  body.writeUInt32BE(size)
  return body
}

test('every body has its own hash, however many are asked for at once', async t => {
  const hasher = busyHasher(t)
  const rooms = openRooms(128 * KB)
  // Of all sizes, a quarter of them too small to be asked for; the others are more than the ring has places.
  const bodies = Array.from({ length: 1600 }, (_, at) => bodyIn(rooms, 4 + ((at * 7919) % (127 * KB))))
  assert.deepEqual(await Promise.all(bodies.map(hasher.sha256)), bodies.map(sha256))
})

test('a room is hashed with what is in it now', async t => {
  const hasher = busyHasher(t)
  const rooms = openRooms(512 * KB)
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
  const part = bodyIn(openRooms(512 * KB), 200 * KB).subarray(1)
  const own = randomBytes(200 * KB)
  assert.deepEqual(await Promise.all([part, own].map(hasher.sha256)), [part, own].map(sha256))
})

test('rooms that were never given back are let go of, and new ones hashed', async t => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc')
  const hasher = busyHasher(t)
  const rooms = openRooms(512 * KB)
  for (let round = 0; round < 5; round++) {
    const bodies = Array.from({ length: 20 }, () => bodyIn(rooms, 100 * KB))
    assert.deepEqual(await Promise.all(bodies.map(hasher.sha256)), bodies.map(sha256))
    await new Promise(setImmediate)
    collectGarbage()
  }
})

test('what is asked for when it ends is answered, and later questions are too', async () => {
  const hasher = openHasher({ busy: () => true, threads: 2 })
  const rooms = openRooms(512 * KB)
  const bodies = Array.from({ length: 50 }, () => bodyIn(rooms, 500 * KB))
  const asked = bodies.map(hasher.sha256)
  await hasher.close()
  assert.deepEqual(await Promise.all(asked), bodies.map(sha256))
  const late = bodyIn(rooms, 100 * KB)
  assert.equal(await hasher.sha256(late), sha256(late))
})
