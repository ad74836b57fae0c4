import type { Change, Relation } from './changes.ts'
import type { Access } from './database.ts'
import { compareKeys } from './jsonb.ts'
import type { Tuple } from './rows.ts'
import { type ValueType, valueText } from './values.ts'

/** A row is taken for too large above this many bytes of JSON, and then loses its columns over 64 bytes. */
const MAX_RECORD_BYTES = 1024 * 1024
const MAX_COLUMN_BYTES = 64

/** What all rows of one table look like for one role and one choice of columns. */
interface Shape {
  /** Why nothing may be shown of a row that is there. */
  readonly refused: string | undefined
  /** In the order in which jsonb keeps them. */
  readonly fields: readonly Field[]
  readonly oldFields: readonly Field[]
  /** JSON text. */
  readonly table: string
  readonly columns: string
  readonly schema: string
  /** What a row's names and nulls add to the bytes of its message, at most. */
  readonly overhead: number
}

interface Field {
  readonly name: string
  /** As it stands in the record, colon and space included. */
  readonly key: string
  readonly type: ValueType
}

/** By what a role may see, which is of one table, and by the `select` of a binding. */
const shapes = new WeakMap<Access, WeakMap<readonly string[], Shape>>()
const ALL: readonly string[] = []
const TEXT: ValueType = { name: 'text' }

/**
 * The payload of a `postgres_changes` frame as JSON text: the row as one role may see it, cut to `select`
 * and the primary key when a binding asks for that. Follows realtime.apply_rls of supabase/realtime 2.129.8.
 * `access` must be of the change's relation.
 */
export function changePayload(
  change: Change,
  access: Access,
  select: readonly string[] | undefined,
  ids: readonly number[],
): string {
  const { type, record, old, committedAt } = change
  const shape = shapeOf(change.relation, access, select)
  const head = `"table":${shape.table},"type":"${type}"`
  if (shape.refused !== undefined && type !== 'DELETE') {
    return `{"data":{${head},"record":{},"columns":[],"errors":["${shape.refused}"],"schema":${shape.schema},"commit_timestamp":null},"ids":[${ids}]}`
  }
  const tooLarge = isTooLarge(change, shape.overhead)
  const now = record === undefined ? '' : `"record":${objectOf(record, shape.fields, tooLarge)},`
  const errors = tooLarge ? '["Error 413: Payload Too Large"]' : 'null'
  const before = old === undefined ? '' : `,"old_record":${objectOf(old, shape.oldFields, tooLarge)}`
  return `{"data":{${head},${now}"columns":${shape.columns},"errors":${errors},"schema":${shape.schema},"commit_timestamp":"${committedAt}"${before}},"ids":[${ids}]}`
}

/** Made anew for each row, it and what follows from it took 6 µs of 50. */
function shapeOf(relation: Relation, access: Access, select: readonly string[] | undefined): Shape {
  const known = shapes.get(access) ?? new WeakMap<readonly string[], Shape>()
  shapes.set(access, known)
  const shape = known.get(select ?? ALL) ?? makeShape(relation, access, select)
  known.set(select ?? ALL, shape)
  return shape
}

function makeShape(relation: Relation, access: Access, select: readonly string[] | undefined): Shape {
  const { primaryKey, types } = relation.facts
  const shown = [...relation.columns.keys()].filter(
    name =>
      access.columns.has(name) &&
      (select === undefined || select.includes(name) || primaryKey.includes(name)),
  )
  const columns = shown.map(
    name => `{"name": ${JSON.stringify(name)}, "type": ${JSON.stringify((types.get(name) ?? TEXT).name)}}`,
  )
  const fields = shown
    .map(name => ({ name, key: `${JSON.stringify(name)}: `, type: types.get(name) ?? TEXT }))
    .sort((a, b) => compareKeys(a.name, b.name))
  return {
    refused: refusal(primaryKey, access),
    fields,
    oldFields: access.filtered ? fields.filter(({ name }) => primaryKey.includes(name)) : fields,
    table: JSON.stringify(relation.table),
    columns: `[${columns.join(', ')}]`,
    schema: JSON.stringify(relation.schema),
    overhead: [...relation.columns.keys()].reduce((sum, name) => sum + name.length + 'null'.length, 0),
  }
}

function refusal(primaryKey: readonly string[], access: Access): string | undefined {
  if (primaryKey.length === 0) return 'Error 400: Bad Request, no primary key'
  return primaryKey.every(name => access.columns.has(name)) ? undefined : 'Error 401: Unauthorized'
}

/** All columns count, also those that are not shown. */
function isTooLarge({ relation, record, old, bytes }: Change, overhead: number): boolean {
  // Counted only where it could be enough: a value counts twice at most, in the row and in the old one.
  if (2 * (bytes + overhead) <= MAX_RECORD_BYTES) return false
  let sum = 0
  for (const values of [record, old]) {
    for (const name of relation.columns.keys()) {
      const value = values?.get(name)
      if (value !== undefined) sum += name.length + Buffer.byteLength(value ?? 'null')
    }
  }
  return sum > MAX_RECORD_BYTES
}

function objectOf(values: Tuple, fields: readonly Field[], onlySmall: boolean): string {
  let text = ''
  for (const { name, key, type } of fields) {
    const value = values.get(name)
    if (value === undefined) continue
    const json = value === null ? 'null' : valueText(type, value)
    if (onlySmall && Buffer.byteLength(json) > MAX_COLUMN_BYTES) continue
    text += text === '' ? key + json : `, ${key}${json}`
  }
  return `{${text}}`
}
