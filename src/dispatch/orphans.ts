import type { ClaimKey, Settlement, SettlementOfClaim } from '../attachment.ts'

export interface OrphansOptions {
  /** The claims that the database thinks this worker has. */
  readonly held: () => Promise<readonly ClaimKey[]>
  /** Whether an actor of this process works on that claim. */
  readonly isLive: (claim: ClaimKey) => boolean
  readonly settle: (items: readonly SettlementOfClaim[]) => Promise<unknown>
}

const PAGE = 200

const GIVEN_BACK: Settlement = {
  outcome: 'interrupted',
  code: 'database_down',
  message: 'The database could not be reached while this attachment was claimed.',
  retryInMs: 0,
}

/**
 * Gives back the claims that no actor has after an outage of the database: the answer to the claim was lost, or
 * the lease ran out here while nothing could be renewed. Left to their leases they would be counted as lost
 * workers, and five outages would fail a file that nothing is wrong with. Not for a start: there a claim without
 * an actor did cost a worker. Resolves with their number; rejects when the database is away again.
 */
export async function giveBackOrphans({ held, isLive, settle }: OrphansOptions): Promise<number> {
  const orphans = (await held()).filter(claim => !isLive(claim))
  for (let at = 0; at < orphans.length; at += PAGE) {
    const page = orphans.slice(at, at + PAGE)
    await settle(page.map(({ id, claimToken }) => ({ id, claimToken, settlement: GIVEN_BACK })))
  }
  return orphans.length
}
