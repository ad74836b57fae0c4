import type { Settlement } from '../attachment.ts'
import type { SettlementOfClaim } from './settler.ts'

/**
 * Claims that were given up because their lease ran out while the database did not answer. Nobody can have taken
 * them meanwhile if the database was away for all; were they left to the next claim, an outage would be counted
 * as a lost worker, and five outages would fail a file that nothing is wrong with.
 */
export interface Owed {
  add(claim: { readonly id: number; readonly claimToken: number }): void
  /** Gives them back, attempts uncounted. Rejects, and keeps them, when the database does not carry it out. */
  flush(): Promise<void>
}

const PAGE = 200

const GIVEN_BACK: Settlement = {
  outcome: 'interrupted',
  code: 'database_down',
  message: 'The database could not be reached until the lease was over.',
  retryInMs: 0,
}

export function createOwed(settle: (items: readonly SettlementOfClaim[]) => Promise<unknown>): Owed {
  let owed: SettlementOfClaim[] = []
  return {
    add: ({ id, claimToken }) => {
      owed.push({ id, claimToken, settlement: GIVEN_BACK })
    },
    flush: async () => {
      while (owed.length > 0) {
        const page = owed.slice(0, PAGE)
        await settle(page)
        owed = owed.slice(page.length)
      }
    },
  }
}
