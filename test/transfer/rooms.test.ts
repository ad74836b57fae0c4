import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { CollectedAnswer } from '../../src/collect.ts'
import type { Http, Request } from '../../src/transfer/http.ts'
import { createTransfer } from '../../src/transfer/index.ts'
import { openRooms } from '../../src/transfer/rooms.ts'
import { claimOf, FAR_AWAY, jpeg, patient, sha256 } from './servers.ts'

const roomOf = ({ buffer }: Buffer): ArrayBufferLike => buffer

test('a room is used again when it was given back, and not before', () => {
  const rooms = openRooms({ bytes: 100, most: 3 })
  const first = rooms.take(10)
  const second = rooms.take(100)
  assert.deepEqual([first.length, second.length], [10, 100])
  assert.notEqual(roomOf(first), roomOf(second))
  rooms.giveBack(first)
  assert.equal(roomOf(rooms.take(7)), roomOf(first))
  assert.notEqual(roomOf(rooms.take(7)), roomOf(first))
})

test('one that was given back twice is there once, and what is not from here is left alone', () => {
  const rooms = openRooms({ bytes: 100, most: 3 })
  const first = rooms.take(10)
  rooms.giveBack(first)
  rooms.giveBack(first)
  rooms.giveBack(Buffer.alloc(100))
  assert.equal(roomOf(rooms.take(1)), roomOf(first))
  assert.notEqual(roomOf(rooms.take(1)), roomOf(first))
})

test('when all are taken a body has memory of its own', () => {
  const rooms = openRooms({ bytes: 100, most: 2 })
  const bodies = [rooms.take(100), rooms.take(100), rooms.take(100)]
  assert.deepEqual(
    bodies.map(({ length, buffer }) => [length, buffer instanceof SharedArrayBuffer]),
    [
      [100, true],
      [100, true],
      [100, false],
    ],
  )
})

test('one that was abandoned comes back once nobody holds what lay in it', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc')
  const rooms = openRooms({ bytes: 100, most: 1 })
  let held: Buffer | undefined = rooms.take(50)
  const room = held.buffer
  rooms.abandon(held)
  rooms.giveBack(held)
  const isBack = async () => {
    await nextTurn()
    collectGarbage()
    await nextTurn()
    const body = rooms.take(1)
    rooms.giveBack(body)
    return body.buffer === room
  }
  assert.equal(await isBack(), false)
  assert.equal(held.length, 50, 'held until here')
  held = undefined
  assert.equal(await isBack(), true)
})

const answer = (statusCode: number, body: unknown): CollectedAnswer => ({
  statusCode,
  headers: {},
  body: Buffer.from(JSON.stringify(body)),
  end: 'whole',
})

const NOTHING = Buffer.alloc(0)

/** Two pictures, one after the other, and what Storage was given for each: the very memory, still there to be looked at. */
async function carryTwo(taken: (path: string) => CollectedAnswer, served?: Buffer) {
  const pictures = [jpeg(60_000), jpeg(60_000)]
  const given: Buffer[] = []
  const rooms: ArrayBufferLike[] = []
  const never: Http['request'] = () => assert.fail('nothing is streamed')
  const readBack: Http['request'] = async ({ path }) => {
    const [, index] = /\/(\d)-1\.jpg$/.exec(path) ?? assert.fail(path)
    return { statusCode: 200, headers: {}, body: Readable.from([pictures[Number(index)]]) }
  }
  const meta: Http['collect'] = async ({ path }, _limit, _wanted, memory) => {
    const bytes = pictures[Number(path.at(-1))] ?? assert.fail(path)
    if (path.startsWith('/v25.0/')) {
      const url = `https://graph.facebook.com/media/${path.at(-1)}`
      return answer(200, { url, sha256: sha256(bytes), file_size: bytes.length })
    }
    const body = memory?.take(bytes.length) ?? assert.fail('no room')
    rooms.push(body.buffer)
    const bytesServed = served ?? bytes
    bytesServed.copy(body)
    return { statusCode: 200, headers: {}, body, end: 'whole' }
  }
  const storage = async ({ method, path, body }: Request) => {
    if (method === 'GET') return answer(200, { size: 60_000 })
    if (method === 'DELETE') return answer(200, [])
    if (Buffer.isBuffer(body)) given.push(body)
    return taken(path)
  }
  const transfer = createTransfer(
    { ...FAR_AWAY, concurrency: 2 },
    {
      meta: { request: never, collect: meta },
      storage: { request: readBack, collect: storage },
      close: async () => undefined,
    },
  )
  const outcomes: string[] = []
  for (const index of [0, 1]) {
    const claim = claimOf({ id: index, mediaId: String(index) })
    const media = await transfer.resolve(claim, patient())
    const outcome = transfer.copy(claim, media, patient()).then(() => 'stored')
    outcomes.push(await outcome.catch(error => error.failure.code))
  }
  const [first = NOTHING, second = NOTHING] = given
  return { pictures, outcomes, rooms, first, second }
}

test('the second picture comes into the room of the first, once that is stored', async () => {
  const { outcomes, first, second } = await carryTwo(path =>
    answer(200, { Key: path.replace('/storage/v1/object/', '') }),
  )
  assert.deepEqual(outcomes, ['stored', 'stored'])
  assert.equal(roomOf(second), roomOf(first))
})

test('nobody comes into the room of an upload without a clear answer: its bytes may still be on their way', async () => {
  const { pictures, outcomes, first, second } = await carryTwo(() => answer(503, {}))
  assert.deepEqual(outcomes, ['stored', 'stored'], 'found there after all')
  assert.notEqual(roomOf(second), roomOf(first))
  assert.deepEqual([first, second].map(sha256), pictures.map(sha256))
})

test('nor into that of one that was refused', async () => {
  const refusal = { statusCode: '403', error: 'Unauthorized', message: 'new row violates row-level security' }
  const { pictures, outcomes, first, second } = await carryTwo(() => answer(400, refusal))
  assert.ok(!outcomes.includes('stored'), String(outcomes))
  assert.notEqual(roomOf(second), roomOf(first))
  assert.deepEqual([first, second].map(sha256), pictures.map(sha256))
})

test('a picture that is not what was declared leaves its room to the next', async () => {
  const { outcomes, rooms } = await carryTwo(() => assert.fail('nothing is stored'), Buffer.alloc(60_000))
  assert.deepEqual(outcomes, ['integrity', 'integrity'])
  assert.equal(new Set(rooms).size, 1)
})
