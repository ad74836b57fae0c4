import { hash } from 'node:crypto'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import {
  ANSWERED,
  ASKED,
  ASLEEP,
  after,
  HASH_BYTES,
  type HashRing,
  placeOf,
  type RoomTold,
} from './hash-ring.ts'

/** The thread of hashing.ts: hashes what is asked for, in order, and sleeps without the event loop. */
const ring: HashRing = workerData
const counters = new Int32Array(ring.counters)
const questions = new Int32Array(ring.questions)
const hashes = new Uint8Array(ring.hashes)
const rooms = new Map<number, Buffer>()

/** A room is told over the port before it is asked for, once: rooms are few and stay. */
function roomOf(number: number): Buffer {
  for (let known = rooms.get(number); ; known = rooms.get(number)) {
    if (known !== undefined) return known
    const told: { message: RoomTold } | undefined | null = parentPort && receiveMessageOnPort(parentPort)
    if (!told) throw new Error(`room ${number} was never told`)
    rooms.set(told.message.number, Buffer.from(told.message.room))
  }
}

function sleepUntilAsked(answered: number): void {
  Atomics.store(counters, ASLEEP, 1)
  // Comes back at once when something was asked since the last look.
  Atomics.wait(counters, ASKED, answered)
  Atomics.store(counters, ASLEEP, 0)
}

for (let answered = 0; ; ) {
  if (Atomics.load(counters, ASKED) === answered) sleepUntilAsked(answered)
  const asked = Atomics.load(counters, ASKED)
  while (answered !== asked) {
    const at = placeOf(answered)
    const body = roomOf(questions[2 * at] ?? 0).subarray(0, questions[2 * at + 1])
    hashes.set(hash('sha256', body, 'buffer'), at * HASH_BYTES)
    answered = after(answered)
    Atomics.store(counters, ANSWERED, answered)
  }
  parentPort?.postMessage(answered)
}
