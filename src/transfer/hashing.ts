import { hash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describeError } from '../errors.ts'
import {
  ANSWERED,
  ASKED,
  ASLEEP,
  after,
  createRing,
  HASH_BYTES,
  isFull,
  placeOf,
  type RoomTold,
} from './hash-ring.ts'

/** SHA-256 of bodies that are carried whole. */
export interface Hasher {
  /** 64 hex digits. The body must not change meanwhile. */
  sha256(body: Buffer): Promise<string>
  /** What was asked for is still answered. */
  close(): Promise<void>
}

/** A smaller one is hashed in the time that it takes to ask for it. */
const WORTH_ASKING = 32 * 1024

export interface HasherOptions {
  /** Whether other files are under way, which go on while this one is hashed. */
  readonly busy: () => boolean
  /** How many the machine runs at once. */
  readonly threads?: number
  /** What the thread runs. */
  readonly script?: URL
}

/** A hash of the largest body takes half a millisecond. What waits so long waits for nothing. */
const STUCK_MS = 10_000

/**
 * A hash is a third of what a small picture costs the daemon's first thread (105 of 320 µs for 200 KB). While several
 * files are under way it is the work of a second one, in the memory where the body lies: 396 µs a file in place of 420
 * (32 lanes, two cores that everything shares), and no more CPU. Posted as messages, or by libuv's threads, nothing was
 * gained: buffers that change threads are garbage in both, and four threads push the first one off its core.
 *
 * The thread is started when it is first of use. Should it end, be stuck, or not start at all, hashes are made here.
 */
export function openHasher({
  busy,
  threads = availableParallelism(),
  script = SCRIPT,
}: HasherOptions): Hasher {
  let thread: HashThread | undefined
  let useless = threads < 2

  function giveUp(reason?: unknown): void {
    useless = true
    if (reason !== undefined)
      process.emitWarning(`the hashing thread is given up, hashes are made without: ${describeError(reason)}`)
  }

  function threadFor(body: Buffer): HashThread | undefined {
    if (useless || body.length < WORTH_ASKING || !busy()) return
    try {
      thread ??= startThread(script, giveUp)
    } catch (error) {
      giveUp(error)
    }
    return thread
  }

  return {
    sha256: async body => threadFor(body)?.ask(body) ?? hash('sha256', body, 'hex'),
    close: async () => {
      useless = true
      await thread?.end()
    },
  }
}

interface HashThread {
  /** Undefined for a body that is not in a room, from its beginning on, and when too much is asked already. */
  ask(body: Buffer): Promise<string> | undefined
  end(): Promise<void>
}

interface Question {
  readonly body: Buffer
  readonly answer: (sha256: string) => void
}

const SCRIPT = new URL(`hash-thread${extname(import.meta.filename)}`, import.meta.url)

function startThread(script: URL, onEnd: (reason?: unknown) => void): HashThread {
  const ring = createRing()
  const counters = new Int32Array(ring.counters)
  const questions = new Int32Array(ring.questions)
  const hashes = Buffer.from(ring.hashes)
  /** In the order in which they were asked. */
  const waiting: Question[] = []
  const numbers = new WeakMap<SharedArrayBuffer, number>()
  let rooms = 0
  let asked = 0
  let answered = 0
  let ended = false
  let watch: NodeJS.Timeout | undefined

  const worker = new Worker(script, { workerData: ring, name: 'hashing' })
  // Only while something waits is the process kept alive, by the watch.
  worker.unref()
  worker.on('message', takeAnswers)
  worker.on('error', onEnd)
  worker.on('exit', () => {
    ended = true
    onEnd()
    takeAnswers()
    for (const { body, answer } of waiting.splice(0)) answer(hash('sha256', body, 'hex'))
  })

  function numberOf(room: SharedArrayBuffer): number {
    const known = numbers.get(room)
    if (known !== undefined) return known
    rooms += 1
    numbers.set(room, rooms)
    const told: RoomTold = { number: rooms, room }
    worker.postMessage(told)
    return rooms
  }

  /** While something waits, an answer has to come between two looks. */
  function watchOut(): void {
    const seen = answered
    watch = setTimeout(() => {
      watch = undefined
      takeAnswers()
      if (waiting.length === 0) return
      if (answered !== seen) return watchOut()
      onEnd(new Error(`it gave no answer for ${STUCK_MS / 1000} s`))
      void worker.terminate()
    }, STUCK_MS)
  }

  function takeAnswers(): void {
    const until = Atomics.load(counters, ANSWERED)
    let count = 0
    for (; answered !== until; answered = after(answered)) {
      const at = placeOf(answered) * HASH_BYTES
      waiting[count]?.answer(hashes.toString('hex', at, at + HASH_BYTES))
      count += 1
    }
    waiting.splice(0, count)
    if (waiting.length === 0) watch?.unref()
  }

  return {
    ask: body => {
      const { buffer, byteOffset } = body
      if (ended || isFull(asked, answered)) return
      if (!(buffer instanceof SharedArrayBuffer) || byteOffset !== 0) return
      const at = 2 * placeOf(asked)
      questions[at] = numberOf(buffer)
      questions[at + 1] = body.length
      asked = after(asked)
      return new Promise(answer => {
        waiting.push({ body, answer })
        if (watch === undefined) watchOut()
        else watch.ref()
        Atomics.store(counters, ASKED, asked)
        if (Atomics.load(counters, ASLEEP) === 1) Atomics.notify(counters, ASKED)
      })
    },
    end: async () => {
      clearTimeout(watch)
      await worker.terminate()
    },
  }
}
