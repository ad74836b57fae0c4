import type { Json } from '../../../src/database/types.gen.ts'
import type { JsonObject } from '../model/database.ts'
import { HOUR_MS, type Outcome, type Tables } from './side.ts'

/**
 * Answers and tables in a form that is the same on both sides: times in half hours from the side's own hour (a run
 * takes seconds), transaction ids by their rank.
 */

const isTime = (key: string): boolean => /_at$|_until$|^last_seen$/.test(key)

const halfHours = (ms: number, hour: number): number => Math.round((ms - hour) / (HOUR_MS / 2)) + 0

/** An answer, or how it failed. `xidOf` is what the side has seen of transaction ids. */
export function comparable(outcome: Outcome, hour: number, xidOf: ReadonlyMap<number, string>): Json {
  if ('sqlstate' in outcome) return outcome
  const xids = new Set(xidOf.values())
  const seen = [...xids].sort((a, b) => Number(a) - Number(b))
  return rewrite(outcome.answer, (key, value) => {
    if (typeof value !== 'string') return value
    if (isTime(key)) return halfHours(Date.parse(value), hour)
    if (key === 'created_xid' || key === 'anchor') return seen.indexOf(value)
    // Whose rows are below the horizon is what counts, and the rows say it.
    return key === 'horizon' || key === 'next' || key === 'cluster' ? '' : value
  })
}

function rewrite(value: Json, change: (key: string, value: Json) => Json): Json {
  if (Array.isArray(value)) return value.map(one => rewrite(one, change))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, one]) => [key, change(key, rewrite(one ?? null, change))])
  return Object.fromEntries(entries)
}

/**
 * The tables' contents. Events stand in the order of each attachment's story, all else in an order of its own. Times
 * also have a rank among all times, which tells two moments within the same half hour apart.
 */
export function comparableTables(tables: Tables, hour: number): Json {
  const all = Object.values(tables).flat()
  const times = ranks(
    all.flatMap(row =>
      Object.entries(row).flatMap(([key, value]) => (isTime(key) && isMoment(value) ? [micros(value)] : [])),
    ),
  )
  const xids = ranks(all.flatMap(row => ('created_xid' in row ? [Number(row.created_xid)] : [])))
  const plain = (row: JsonObject): JsonObject => {
    const entries = Object.entries(row).map(([key, value]): [string, Json] => {
      if (key === 'created_xid') return [key, xids.get(Number(value)) ?? -1]
      // The texts of errors are each side's own; their SQLSTATE is not.
      if (key === 'reason' && typeof value === 'string') return [key, value.replace(/^(\d{5}): .*$/s, '$1')]
      if (!isTime(key) || !isMoment(value)) return [key, value ?? null]
      const at = micros(value)
      return [key, `${halfHours(at / 1000, hour)} half hours, ${times.get(at)}th`]
    })
    return Object.fromEntries(entries)
  }
  return Object.fromEntries(
    Object.entries(tables).map(([name, rows]) => [
      name,
      name === 'events' ? stories(rows.map(plain)) : rows.map(plain).sort(byText),
    ]),
  )
}

function stories(events: readonly JsonObject[]): Json[] {
  return events
    .toSorted((a, b) => Number(a.attachment_id) - Number(b.attachment_id) || Number(a.id) - Number(b.id))
    .map(({ id: _, ...event }) => event)
}

const byText = (a: JsonObject, b: JsonObject): number => (key(a) < key(b) ? -1 : 1)
const key = (row: JsonObject): string => String(row.id ?? row.payload ?? row.message_id ?? row.worker)

const isMoment = (value: Json | undefined): value is string | number =>
  typeof value === 'string' || typeof value === 'number'

/** Microseconds since the epoch, of PostgreSQL's text or of the model's milliseconds. */
function micros(value: string | number): number {
  if (typeof value === 'number') return value * 1000
  const fraction = /\.(\d+)/.exec(value)?.[1] ?? ''
  return Date.parse(value.replace(/\.\d+/, '')) * 1000 + Number(fraction.padEnd(6, '0'))
}

function ranks(values: readonly number[]): ReadonlyMap<number, number> {
  const sorted = [...new Set(values)].sort((a, b) => a - b)
  return new Map(sorted.map((value, rank) => [value, rank]))
}
