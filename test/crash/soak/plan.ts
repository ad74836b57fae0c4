import { createRandom } from '../../simulation/random.ts'

/** How one daemon lives until it is killed. Milliseconds. */
export interface Life {
  /** `beforeMs` counts from its process's first moment, and not from when it is ready: a start takes about a second. */
  readonly early: boolean
  readonly beforeMs: number
  /** Frozen (SIGSTOP) for so long; 0 for not at all. */
  readonly frozenMs: number
  /** From then until SIGKILL. */
  readonly afterMs: number
  /** The database goes away just before, and comes back. */
  readonly outage: boolean
}

/** The shortest lease that the settings allow. */
export const LEASE_MS = 3000

/** One life in so many is frozen, one in so many sees the database go away. */
const FREEZES = 1 / 8
const OUTAGES = 1 / 20

/** So many lives, the same for the same seed. */
export function livesOf(seed: number, count: number): Life[] {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => {
    const early = random.chance(0.2)
    const frozen = random.chance(FREEZES)
    return {
      early,
      beforeMs: early ? random.between(0, 1200) : random.between(200, 2500),
      frozenMs: frozen ? random.between(500, LEASE_MS + 2500) : 0,
      afterMs: frozen ? random.between(0, 1000) : 0,
      outage: random.chance(OUTAGES),
    }
  })
}
