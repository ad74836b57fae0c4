/**
 * Marks in the stream of changes: a word put into the log now comes out of the stream after all that was
 * committed before it.
 */
export interface Marks {
  /**
   * Does the work when the mark comes by, before anything behind it is handled. Rejects when nobody reads the
   * stream: then the mark would never come.
   */
  place(work: () => void): Promise<void>
  seen(word: string): void
  lose(why: string): void
}

export function createMarks(write: (word: string) => Promise<void>, reading: () => boolean): Marks {
  const waiting = new Map<string, { reached: () => void; lost: (error: Error) => void }>()
  let count = 0
  return {
    async place(work) {
      if (!reading()) throw new Error('the stream of changes is not there')
      const word = `${process.pid}.${++count}.${Math.random().toString(36).slice(2)}`
      const reached = new Promise<void>((resolve, reject) => {
        waiting.set(word, {
          reached: () => {
            work()
            resolve()
          },
          lost: reject,
        })
      })
      reached.catch(() => undefined)
      try {
        await write(word)
        await reached
      } finally {
        waiting.delete(word)
      }
    },
    seen: word => waiting.get(word)?.reached(),
    lose(why) {
      for (const { lost } of waiting.values()) lost(new Error(why))
    },
  }
}
