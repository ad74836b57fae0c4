/** Up to which id everything is done, while several are worked on at once. Ids start in rising order. */
export interface Watermark {
  start(id: number): void
  /** One that failed never finishes, and nothing above it counts. */
  finish(id: number): void
  /** Everything up to here is done. */
  reached(): number
}

export function openWatermark(after: number): Watermark {
  const open = new Set<number>()
  let last = after
  return {
    start: id => {
      open.add(id)
      last = id
    },
    finish: id => open.delete(id),
    // Insertion order is id order.
    reached: () => {
      const [lowest] = open
      return lowest === undefined ? last : lowest - 1
    },
  }
}
