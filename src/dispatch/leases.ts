import type { ClaimKey } from '../attachment.ts'
import type { Log } from '../log.ts'

/** Who works with a claim. */
export interface Holder {
  loseLease(): void
  /** The database is being told how it ended: its answer says whether the claim was still ours. */
  settling(): boolean
}

interface Held extends ClaimKey {
  readonly holder: Holder
  /** On this process's monotonic clock: when the lease ends, counted from the moment its renewal was *sent*. */
  until: number
}

export interface LeasesOptions {
  readonly leaseMs: number
  /** Answers which of them are still held. */
  readonly renew: (claims: readonly ClaimKey[]) => Promise<readonly ClaimKey[]>
  readonly log: Log
  /** Milliseconds on a clock that nobody can set. */
  readonly now?: () => number
}

/**
 * One timer that renews every live claim in one call, at a third of the lease. A claim that the database no
 * longer grants, or whose lease has run out here while nothing could be renewed, is given up.
 */
export interface Leases {
  /** Begins to keep a claim that was asked for at `sentAt` (`performance.now()`). */
  hold(claim: ClaimKey, sentAt: number, holder: Holder): void
  drop(claim: ClaimKey): void
  stop(): void
}

/** Between two tries to renew when the database does not answer: a lease of 60 s allows many. */
const AGAIN_MS = 1000
/** The Data API's functions take 500 rows at the most. */
const PAGE = 500

export function keepLeases({ leaseMs, renew, log, now = () => performance.now() }: LeasesOptions): Leases {
  const held = new Map<string, Held>()
  let timer: NodeJS.Timeout | undefined
  let renewAt = 0
  let renewing = false
  let stopped = false
  let tickAt = 0

  function schedule(): void {
    clearTimeout(timer)
    timer = undefined
    if (held.size === 0) return
    let next = renewing ? Number.POSITIVE_INFINITY : renewAt
    for (const claim of held.values()) next = Math.min(next, claim.until)
    tickAt = next
    timer = setTimeout(tick, Math.max(0, next - now()))
  }

  function tick(): void {
    giveUpExpired()
    if (!renewing && held.size > 0 && now() >= renewAt) void renewAll()
    else schedule()
  }

  function giveUpExpired(): void {
    const at = now()
    for (const claim of [...held.values()]) if (claim.until <= at) lose(claim, 'the lease ran out here')
  }

  async function renewAll(): Promise<void> {
    renewing = true
    schedule()
    const asked = [...held.values()]
    const sentAt = now()
    try {
      for (let at = 0; at < asked.length; at += PAGE) {
        const page = asked.slice(at, at + PAGE)
        const still = new Set((await renew(page)).map(keyOf))
        for (const claim of page) {
          if (still.has(keyOf(claim))) claim.until = sentAt + leaseMs
          // A renewal that overtakes the answer to a settlement no longer finds the claim, and that is no loss.
          else if (held.has(keyOf(claim)) && !claim.holder.settling())
            lose(claim, 'the database gave the claim to another worker')
        }
      }
      renewAt = sentAt + leaseMs / 3
    } catch (err) {
      renewAt = now() + Math.min(AGAIN_MS, leaseMs / 10)
      log.warn({ err, claims: asked.length }, 'leases could not be renewed')
    } finally {
      renewing = false
      schedule()
    }
  }

  function lose(claim: Held, reason: string): void {
    held.delete(keyOf(claim))
    log.warn({ attachment: claim.id, claim_token: claim.claimToken, reason }, 'claim lost')
    claim.holder.loseLease()
  }

  return {
    hold: (claim, sentAt, holder) => {
      if (stopped) return
      if (held.size === 0) renewAt = sentAt + leaseMs / 3
      const until = sentAt + leaseMs
      held.set(keyOf(claim), { id: claim.id, claimToken: claim.claimToken, until, holder })
      if (timer === undefined || until < tickAt) schedule()
    },
    drop: claim => {
      held.delete(keyOf(claim))
      if (held.size === 0) schedule()
    },
    stop: () => {
      stopped = true
      held.clear()
      clearTimeout(timer)
    },
  }
}

const keyOf = ({ id, claimToken }: ClaimKey): string => `${id}-${claimToken}`
