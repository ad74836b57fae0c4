const FIRST_MS = 1_000
const LONGEST_MS = 15_000

/**
 * Milliseconds before the next try: doubles from one second to fifteen, with a quarter left to chance (`random`, 0 to
 * 1), so that ten tabs do not come back at once.
 */
export function retryDelay(failures: number, random: number): number {
  return Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS) * (0.75 + random / 4)
}
