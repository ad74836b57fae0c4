import type { TableFacts } from './database.ts'
import { type RowChange, type RowMessage, readTuples, type Tuple } from './rows.ts'

/** A table as the stream and the catalogs describe it. A table that changes becomes another object. */
export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly table: string
  /** Each with its place, in the table's order. */
  readonly columns: ReadonlyMap<string, number>
  readonly facts: TableFacts
}

export interface Change {
  readonly relation: Relation
  readonly type: RowChange
  /** Undefined for DELETE. */
  readonly record: Tuple | undefined
  /** The replica identity before the change: the primary key, unless the table says otherwise. Undefined for INSERT. */
  readonly old: Tuple | undefined
  /** ISO 8601 in UTC with milliseconds. */
  readonly committedAt: string
  /** What the message took: its values together are no longer. */
  readonly bytes: number
}

export function readChange(message: RowMessage, relation: Relation, committedAt: string): Change {
  const { type, bytes } = message
  const { record, old } = readTuples(message, relation.columns)
  return {
    relation,
    type,
    record,
    old: type === 'UPDATE' && record !== undefined ? (old ?? keyOf(record, relation)) : old,
    committedAt,
    bytes: bytes.length,
  }
}

/** PostgreSQL's commit time (microseconds since 1970) as frames carry it. */
export function commitTimestamp(microseconds: number): string {
  return new Date(Math.floor(microseconds / 1000)).toISOString()
}

/** The primary key of a change, without what is not known of it. */
export function keyOf(values: Tuple, relation: Relation): Map<string, string> {
  const key = new Map<string, string>()
  for (const column of relation.facts.primaryKey) {
    const value = values.get(column)
    if (typeof value === 'string') key.set(column, value)
  }
  return key
}
