import type { Claim } from '../attachment.ts'

/**
 * Lets a row that has cost two workers their lease run alone: should it end this one too, no neighbour is
 * blamed for it. Everyone else shares.
 */
export interface Isolation {
  run<T>(claim: Pick<Claim, 'lostLeases'>, work: () => Promise<T>): Promise<T>
}

const SUSPICIOUS_LOST_LEASES = 2

export const runsAlone = ({ lostLeases }: Pick<Claim, 'lostLeases'>): boolean =>
  lostLeases >= SUSPICIOUS_LOST_LEASES

export function createIsolation(): Isolation {
  let running = 0
  let alone = false
  const waiting: { readonly alone: boolean; readonly start: () => void }[] = []

  /** First come, first served, so that neither kind waits for ever behind the other. */
  function startNext(): void {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (alone || (next.alone && running > 0)) return
      waiting.shift()
      running++
      alone = next.alone
      next.start()
    }
  }

  return {
    run: async (claim, work) => {
      await new Promise<void>(start => {
        waiting.push({ alone: runsAlone(claim), start })
        startNext()
      })
      try {
        return await work()
      } finally {
        running--
        alone = false
        startNext()
      }
    },
  }
}
