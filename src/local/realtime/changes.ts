import type { Pgoutput } from 'pg-logical-replication'
import type { Access, TableFacts } from './database.ts'
import { objectText } from './jsonb.ts'
import { valueText } from './values.ts'

/** A table as the stream and the catalogs describe it. */
export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly table: string
  /** In the table's order. */
  readonly columns: readonly string[]
  readonly facts: TableFacts
}

/** Values as PostgreSQL prints them; a column that is not there is not known (an untouched TOAST value). */
export type Tuple = ReadonlyMap<string, string | null>

export interface Change {
  readonly relation: Relation
  readonly type: 'INSERT' | 'UPDATE' | 'DELETE'
  /** Undefined for DELETE. */
  readonly record: Tuple | undefined
  /** The replica identity before the change: the primary key, unless the table says otherwise. Undefined for INSERT. */
  readonly old: Tuple | undefined
  /** ISO 8601 in UTC with milliseconds. */
  readonly committedAt: string
}

type RowMessage = Pgoutput.MessageInsert | Pgoutput.MessageUpdate | Pgoutput.MessageDelete

/** A row is taken for too large above this many bytes of JSON, and then loses its columns over 64 bytes. */
const MAX_RECORD_BYTES = 1024 * 1024
const MAX_COLUMN_BYTES = 64

export function readChange(message: RowMessage, relation: Relation, committedAt: string): Change {
  if (message.tag === 'insert') {
    return { relation, type: 'INSERT', record: tuple(message.new), old: undefined, committedAt }
  }
  if (message.tag === 'delete') {
    return {
      relation,
      type: 'DELETE',
      record: undefined,
      old: tuple(message.old ?? message.key ?? {}),
      committedAt,
    }
  }
  const record = tuple(message.new)
  const old = message.old ?? message.key
  return { relation, type: 'UPDATE', record, old: old ? tuple(old) : keyOf(record, relation), committedAt }
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

/**
 * The payload of a `postgres_changes` frame as JSON text: the row as one role may see it, cut to `select`
 * and the primary key when a binding asks for that. Follows realtime.apply_rls of supabase/realtime 2.129.8.
 */
export function changePayload(
  change: Change,
  access: Access,
  select: readonly string[] | undefined,
  ids: readonly number[],
): string {
  const { relation } = change
  const { primaryKey } = relation.facts
  const head = `"table":${JSON.stringify(relation.table)},"type":"${change.type}"`
  const schema = `"schema":${JSON.stringify(relation.schema)}`
  const refused = refusal(change, access)
  if (refused !== undefined) {
    const record = change.type === 'DELETE' ? '' : '"record":{},'
    return `{"data":{${head},${record}"columns":[],"errors":["${refused}"],${schema},"commit_timestamp":null},"ids":[${ids}]}`
  }
  const shown = relation.columns.filter(
    name =>
      access.columns.has(name) &&
      (select === undefined || select.includes(name) || primaryKey.includes(name)),
  )
  const tooLarge = isTooLarge(change)
  const object = (values: Tuple, names: readonly string[]): string =>
    objectText(fields(values, names, relation, tooLarge))
  const oldNames = access.filtered ? shown.filter(name => primaryKey.includes(name)) : shown
  const columns = shown.map(name => {
    return `{"name": ${JSON.stringify(name)}, "type": ${JSON.stringify(relation.facts.types.get(name)?.name ?? 'text')}}`
  })
  const parts = [
    head,
    ...(change.record === undefined ? [] : [`"record":${object(change.record, shown)}`]),
    `"columns":[${columns.join(', ')}]`,
    `"errors":${tooLarge ? '["Error 413: Payload Too Large"]' : 'null'}`,
    schema,
    `"commit_timestamp":"${change.committedAt}"`,
    ...(change.old === undefined ? [] : [`"old_record":${object(change.old, oldNames)}`]),
  ]
  return `{"data":{${parts.join(',')}},"ids":[${ids}]}`
}

function refusal(change: Change, access: Access): string | undefined {
  if (change.type === 'DELETE') return undefined
  const { primaryKey } = change.relation.facts
  if (primaryKey.length === 0) return 'Error 400: Bad Request, no primary key'
  return primaryKey.every(name => access.columns.has(name)) ? undefined : 'Error 401: Unauthorized'
}

function isTooLarge(change: Change): boolean {
  let bytes = 0
  for (const values of [change.record, change.old]) {
    for (const [name, value] of values ?? []) bytes += name.length + Buffer.byteLength(value ?? 'null')
  }
  return bytes > MAX_RECORD_BYTES
}

function* fields(
  values: Tuple,
  names: readonly string[],
  relation: Relation,
  onlySmall: boolean,
): Generator<readonly [string, string]> {
  for (const name of names) {
    const value = values.get(name)
    if (value === undefined) continue
    const json =
      value === null ? 'null' : valueText(relation.facts.types.get(name) ?? { name: 'text' }, value)
    if (!onlySmall || Buffer.byteLength(json) <= MAX_COLUMN_BYTES) yield [name, json]
  }
}

function tuple(values: Record<string, unknown>): Tuple {
  const known = Object.entries(values).filter(([, value]) => value !== undefined)
  return new Map(known.map(([name, value]) => [name, value === null ? null : String(value)]))
}
