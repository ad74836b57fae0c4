/** How many woken ids are kept: enough for minutes of work, 1 MB of memory. */
export const WAKE_SET_LIMIT = 10_000

/** Ids of rows that were announced and not claimed yet. A full set drops what comes: the sweep finds those rows. */
export interface WakeSet {
  add(id: number): void
  /** Up to `most` ids, the highest (newest) first. They are forgotten. */
  take(most: number): number[]
  /** That row was claimed without having been asked for. */
  forget(id: number): void
  readonly size: number
}

export function createWakeSet(limit = WAKE_SET_LIMIT): WakeSet {
  const ids = new Set<number>()
  /** The same and some that are forgotten, the lowest first once they are sorted. */
  let list: number[] = []
  let sorted = true
  return {
    add(id) {
      if (ids.size >= limit || ids.has(id)) return
      if (list.length >= 2 * limit) {
        list = [...ids]
        sorted = false
      }
      ids.add(id)
      sorted &&= id > (list.at(-1) ?? Number.NEGATIVE_INFINITY)
      list.push(id)
    },
    take(most) {
      // Mostly they have come in order. Sorting 10,000 for every claim was a hundredth of a busy daemon's time.
      if (!sorted) list.sort((a, b) => a - b)
      sorted = true
      const newest: number[] = []
      while (newest.length < most) {
        const id = list.pop()
        if (id === undefined) break
        if (ids.delete(id)) newest.push(id)
      }
      return newest
    },
    forget: id => void ids.delete(id),
    get size() {
      return ids.size
    },
  }
}
