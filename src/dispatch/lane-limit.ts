/** From here on Meta asks callers to slow down; at 100 percent it throttles (Meta, "Rate limits"). */
const SLOW_FROM_PERCENT = 80

/**
 * How many lanes to use at that share of WhatsApp's allowance: all of them below 80 percent, then fewer and fewer
 * down to one, so that the limit is not reached and nothing has to stop.
 */
export function laneLimit(concurrency: number, usedPercent: number): number {
  if (usedPercent < SLOW_FROM_PERCENT) return concurrency
  const left = Math.max(0, 100 - usedPercent) / (100 - SLOW_FROM_PERCENT)
  return Math.max(1, Math.floor((concurrency / 2) * left))
}
