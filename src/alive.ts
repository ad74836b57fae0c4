/** How a daemon was last seen: its row of `realtime_canary`. */
export interface Seen {
  readonly state: string
  /** ISO 8601, by the database's clock. */
  readonly last_seen: string
}

/** Three of the usual beats: a shorter CANARY_INTERVAL gives nobody up sooner. */
const LEAST_MS = 90_000

/** Whether that daemon is taken for one at work. `now`: milliseconds since 1970; the other one is CANARY_INTERVAL. */
export function isAlive({ state, last_seen }: Seen, now: number, canaryIntervalMs: number): boolean {
  return state !== 'stopped' && now - Date.parse(last_seen) < Math.max(LEAST_MS, 3 * canaryIntervalMs)
}
