/** A clock may be off; no message comes from further ahead than this. */
const AHEAD_MS = 86_400_000
/** PostgreSQL's timestamptz and ISO 8601 with four digits agree from here on. */
const YEAR_ONE_MS = Date.parse('0001-01-01T00:00:00Z')

/**
 * A message's `timestamp`, unix seconds as a text, as ISO 8601. However old it is, it is kept; null when it
 * is no number or lies in the future, and the database takes its own now.
 *
 * @param now milliseconds since 1970
 */
export function sentAt(value: unknown, now: number): string | null {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d{1,12}$/.test(text)) return null
  const ms = Number(text) * 1000
  return ms < YEAR_ONE_MS || ms > now + AHEAD_MS ? null : new Date(ms).toISOString()
}
