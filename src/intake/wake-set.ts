/** How many woken ids are kept: enough for minutes of work, 1 MB of memory. */
export const WAKE_SET_LIMIT = 10_000

/** Ids of rows that were announced and not claimed yet. A full set drops what comes: the sweep finds those rows. */
export interface WakeSet {
  add(id: number): void
  /** Up to `most` ids, the highest (newest) first. They are forgotten. */
  take(most: number): number[]
  readonly size: number
}

export function createWakeSet(limit = WAKE_SET_LIMIT): WakeSet {
  const ids = new Set<number>()
  return {
    add(id) {
      if (ids.size < limit) ids.add(id)
    },
    take(most) {
      // Ids arrive nearly in order, so the sort is cheap: 10,000 of them take about 1 ms.
      const newest = [...ids].sort((a, b) => b - a).slice(0, Math.max(0, most))
      for (const id of newest) ids.delete(id)
      return newest
    },
    get size() {
      return ids.size
    },
  }
}
