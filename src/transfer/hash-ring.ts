/**
 * Memory that is shared with the thread that hashes: counters, and a ring of what is asked and answered, in that order.
 *
 * | who       | writes                                        | and then                                  |
 * |-----------|-----------------------------------------------|-------------------------------------------|
 * | the asker | which room, and how many of its bytes         | `asked`, and wakes the thread if it sleeps |
 * | the thread | the hash, over the same place of the ring    | `answered`, and tells once for several     |
 */
export interface HashRing {
  readonly counters: SharedArrayBuffer
  readonly questions: SharedArrayBuffer
  readonly hashes: SharedArrayBuffer
}

/** Places of the counters, which only grow, and begin again below zero after 2^31. */
export const ASKED = 0
export const ANSWERED = 1
/** 1 while the thread sleeps. */
export const ASLEEP = 2

const RING_PLACES = 1024

/** Where a question and its answer stand. */
export const placeOf = (count: number): number => count & (RING_PLACES - 1)
export const after = (count: number): number => (count + 1) | 0
/** Whether so many questions can be waiting. */
export const isFull = (asked: number, answered: number): boolean => ((asked - answered) | 0) >= RING_PLACES

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32

export function createRing(): HashRing {
  return {
    counters: new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT),
    questions: new SharedArrayBuffer(2 * RING_PLACES * Int32Array.BYTES_PER_ELEMENT),
    hashes: new SharedArrayBuffer(RING_PLACES * HASH_BYTES),
  }
}

/** A room that the thread has not seen yet, and the number by which it is asked for. */
export interface RoomTold {
  readonly number: number
  readonly room: SharedArrayBuffer
}
