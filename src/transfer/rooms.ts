/**
 * Memory for bodies that are carried whole, used again and again. Without it every file leaves its size in dead buffers,
 * which V8 collects late and whose memory is out of the cache by then: 400 µs of CPU for 200 KB in place of 450 (32
 * lanes, Node 24, two cores). It is shared with the thread that hashes (hashing.ts), so V8 does not count it, and what
 * is dropped would stay for long: hence no more than `most` of them are made, and each comes back.
 */
export interface Rooms {
  /** What one body may have. */
  readonly bytes: number
  /** For a body of that length, up to `bytes`; what stood there before may still be in it. Private when all are taken. */
  take(length: number): Buffer
  /** Only of a body that nobody will read or write any more. Does nothing for one that is not from here. */
  giveBack(body: Buffer): void
  /** Of a body that may still be written by whoever was given this very Buffer: it comes back once that has let go. */
  abandon(body: Buffer): void
}

export interface RoomsOptions {
  readonly bytes: number
  readonly most: number
}

export function openRooms({ bytes, most }: RoomsOptions): Rooms {
  const free: SharedArrayBuffer[] = []
  const taken = new WeakSet<ArrayBufferLike>()
  const abandoned = new FinalizationRegistry<SharedArrayBuffer>(room => free.push(room))
  let made = 0

  function nextRoom(): SharedArrayBuffer | undefined {
    // The last one that was given back is the likeliest to be in the cache.
    const last = free.pop()
    if (last !== undefined || made === most) return last
    made += 1
    return new SharedArrayBuffer(bytes)
  }

  /** Undefined for what is not from here, or is back already. */
  function roomOf({ buffer }: Buffer): SharedArrayBuffer | undefined {
    return taken.delete(buffer) && buffer instanceof SharedArrayBuffer ? buffer : undefined
  }

  return {
    bytes,
    take: length => {
      const room = nextRoom()
      if (room === undefined) return Buffer.allocUnsafe(length)
      taken.add(room)
      return Buffer.from(room, 0, length)
    },
    giveBack: body => {
      const room = roomOf(body)
      if (room !== undefined) free.push(room)
    },
    abandon: body => {
      const room = roomOf(body)
      if (room !== undefined) abandoned.register(body, room)
    },
  }
}
