import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { Bytes } from '../samples/source.ts'

const SLICES_PER_SECOND = 20

/**
 * Writes bytes as fast as the reader takes them and no faster: a chunk is drawn only after the one before has
 * left. Returns true when all were written and the reader was still there.
 */
export async function writeBytes(response: ServerResponse, bytes: Bytes): Promise<boolean> {
  for await (const chunk of bytes) {
    if (response.destroyed) return false
    if (!response.write(chunk)) await drainedOrGone(response)
  }
  return !response.destroyed
}

/** Waits until what was written has been handed to the network, so that ending the connection loses none of it. */
export function flushed(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    if (response.socket === null) resolve()
    else response.socket.write('', () => resolve())
  })
}

function drainedOrGone(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

/** The first `length` bytes; when there are fewer, zero bytes follow. */
export async function* resized(bytes: Bytes, length: number): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const chunk of bytes) {
    if (left === 0) return
    const part = chunk.subarray(0, left)
    left -= part.length
    yield part
  }
  if (left > 0) yield new Uint8Array(left)
}

/** The same number of bytes with one bit of the last one changed: a wrong hash under a right size and type. */
export async function* lastByteChanged(bytes: Bytes): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined
  for await (const chunk of bytes) {
    if (chunk.length === 0) continue
    if (held !== undefined) yield held
    held = chunk
  }
  if (held === undefined) return
  const changed = Uint8Array.from(held)
  changed[changed.length - 1] = (held[held.length - 1] ?? 0) ^ 1
  yield changed
}

/** The same bytes at that rate, in slices of a twentieth of a second. */
export async function* slowed(bytes: Bytes, bytesPerSecond: number): AsyncGenerator<Uint8Array> {
  const slice = Math.max(1, Math.floor(bytesPerSecond / SLICES_PER_SECOND))
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += slice) {
      const part = chunk.subarray(at, at + slice)
      yield part
      await wait((part.length / bytesPerSecond) * 1000, undefined, { ref: false })
    }
  }
}
