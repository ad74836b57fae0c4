import pg from 'pg'
import { type Binding, inspectBinding } from './bindings.ts'
import type { Operator } from './filters.ts'
import type { Claims } from './tokens.ts'
import type { ValueType } from './values.ts'

/** A column's type; `sql` is how a statement names it. */
export interface ColumnType extends ValueType {
  readonly sql: string
}

/** What the catalogs say of a table beyond its replicated columns. */
export interface TableFacts {
  readonly types: ReadonlyMap<string, ColumnType>
  readonly primaryKey: readonly string[]
  readonly rowSecurity: boolean
}

/** What one role may see of a table. */
export interface Access {
  readonly columns: ReadonlySet<string>
  /** Row-level security holds for this role. */
  readonly filtered: boolean
}

/** The questions that the Realtime server asks its database, beside the stream of changes. */
export interface RealtimeDatabase {
  publicationExists(publication: string): Promise<boolean>
  /** The wording of the refusal, or undefined when every binding can be served. Throws when it cannot be asked. */
  refusal(publication: string, bindings: readonly Binding[], claims: Claims): Promise<string | undefined>
  tableFacts(oid: number): Promise<TableFacts>
  access(role: string, oid: number): Promise<Access>
  /** Whether PostgreSQL finds `left operator right` true, both read as `type`. */
  compare(type: string, operator: Operator, left: string, values: readonly string[]): Promise<boolean>
  /** Whether row-level security lets the claims' role see the row with that primary key. */
  visible(
    claims: Claims,
    table: { schema: string; table: string },
    key: ReadonlyMap<string, string>,
  ): Promise<boolean>
  /** Puts a mark into the stream of changes, after all that is committed. */
  mark(word: string): Promise<void>
  /** Waits for the end of the sessions that read those slots: until then the database cannot be dropped. */
  endStreams(slots: string): Promise<void>
  close(): Promise<void>
}

export const MARK_PREFIX = 'mediaferry.realtime'

const SQL_OPERATORS = { eq: '=', neq: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=', in: '=' } as const

/** PostgreSQL's names of the conditions that a binding can run into, as Postgrex shows them. */
const CONDITIONS: Readonly<Record<string, string>> = {
  '22003': 'numeric_value_out_of_range',
  '22007': 'invalid_datetime_format',
  '22P02': 'invalid_text_representation',
  '42704': 'undefined_object',
  P0001: 'raise_exception',
}

export function openDatabase(databaseUrl: string, onIdleError: (error: Error) => void): RealtimeDatabase {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 4,
    application_name: 'mediaferry_realtime',
    // Marks must reach the log at once, also where the cluster lets commits wait for the WAL writer.
    options: '-c synchronous_commit=on -c client_min_messages=warning',
    connectionTimeoutMillis: 10_000,
  })
  pool.on('error', onIdleError)
  const rows = async (text: string, values: unknown[]): Promise<Record<string, unknown>[]> =>
    (await pool.query<Record<string, unknown>>(text, values)).rows

  return {
    async publicationExists(publication) {
      return (await rows('select from pg_publication where pubname = $1', [publication])).length > 0
    },
    async refusal(publication, bindings, claims) {
      for (const binding of bindings) {
        const why = await refusalOf(rows, publication, binding, claims.role)
        if (why !== undefined) return why
      }
      return undefined
    },
    async tableFacts(oid) {
      const found = await rows(TABLE_FACTS, [oid])
      const types = new Map(found.map(row => [String(row.name), columnType(row)]))
      const primaryKey = found.filter(row => row.is_key === true).map(row => String(row.name))
      return { types, primaryKey, rowSecurity: found[0]?.row_security === true }
    },
    async access(role, oid) {
      const found = await rows(ACCESS, [role, oid])
      const columns = new Set(found.filter(row => row.readable === true).map(row => String(row.name)))
      return { columns, filtered: found[0]?.filtered === true }
    },
    async compare(type, operator, left, values) {
      const sides = `$1::text::${type} ${SQL_OPERATORS[operator]} any($2::text[]::${type}[])`
      const found = await rows(`select ${sides} as answer`, [left, values])
      return found[0]?.answer === true
    },
    async visible(claims, { schema, table }, key) {
      const client = await pool.connect()
      try {
        await client.query('begin read only')
        await client.query(
          "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
          [claims.role, claims.json],
        )
        const where = [...key.keys()].map(
          (column, index) => `${pg.escapeIdentifier(column)}::text = $${index + 1}`,
        )
        const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`
        const found = await client.query(`select from ${name} where ${where.join(' and ')}`, [
          ...key.values(),
        ])
        return found.rows.length > 0
      } finally {
        await client.query('rollback').catch(() => undefined)
        client.release()
      }
    },
    async mark(word) {
      await rows('select pg_logical_emit_message(true, $1, $2)', [MARK_PREFIX, word])
    },
    async endStreams(slots) {
      await rows(
        'select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where starts_with(slot_name, $1)',
        [slots],
      )
    },
    close: () => pool.end(),
  }
}

type Rows = (text: string, values: unknown[]) => Promise<Record<string, unknown>[]>

/** One row a column: its type (of a domain the base type), whether it is of the primary key. */
const TABLE_FACTS = `
with recursive types as (
  select a.attname, a.attnum, format_type(a.atttypid, null) as sql, t.oid, t.typname, t.typtype, t.typbasetype, t.typelem, t.typcategory, t.typdelim
    from pg_attribute a join pg_type t on t.oid = a.atttypid
   where a.attrelid = $1::bigint::oid and a.attnum > 0 and not a.attisdropped
  union all
  select c.attname, c.attnum, c.sql, t.oid, t.typname, t.typtype, t.typbasetype, t.typelem, t.typcategory, t.typdelim
    from types c join pg_type t on t.oid = c.typbasetype
   where c.typtype = 'd'
)
select c.attname as name, c.sql, c.typname as type, e.typname as element, e.typdelim as delimiter,
       coalesce(c.attnum = any(i.indkey::int2[]), false) as is_key, r.relrowsecurity as row_security
  from types c
  join pg_class r on r.oid = $1::bigint::oid
  left join pg_type e on c.typcategory = 'A' and e.oid = c.typelem
  left join pg_index i on i.indrelid = r.oid and i.indisprimary
 where c.typtype <> 'd'
 order by c.attnum`

const ACCESS = `
select a.attname as name, has_column_privilege(r.oid, a.attrelid, a.attnum, 'select') as readable,
       c.relrowsecurity and not (r.rolbypassrls or r.rolsuper) as filtered
  from pg_roles r, pg_class c join pg_attribute a on a.attrelid = c.oid
 where r.rolname = $1 and c.oid = $2::bigint::oid and a.attnum > 0 and not a.attisdropped`

const PUBLISHED = `
select format('%I.%I', schemaname, tablename)::regclass::oid::bigint as oid
  from pg_publication_tables
 where pubname = $1 and ($2 = '*' or schemaname = $2) and ($3 = '*' or tablename = $3)`

const FILTER_COLUMN = `
select format_type(a.atttypid, null) as type
  from pg_attribute a
 where a.attrelid = $1::bigint::oid and a.attname = $2 and a.attnum > 0 and not a.attisdropped
   and has_column_privilege($3::regrole, a.attrelid, a.attnum, 'select')`

async function refusalOf(
  rows: Rows,
  publication: string,
  binding: Binding,
  role: string,
): Promise<string | undefined> {
  const tables = await rows(PUBLISHED, [publication, binding.schema, binding.table])
  const beginning = 'Unable to subscribe to changes with given parameters.'
  if (tables.length === 0) {
    return `${beginning} Please check Realtime is enabled for the given connect parameters: ${inspectBinding(binding)}`
  }
  try {
    await rows('select $1::regrole', [pg.escapeIdentifier(role)])
    for (const { oid } of tables) await checkFilters(rows, Number(oid), binding, role)
    return undefined
  } catch (error) {
    const why = exceptionText(error)
    if (why === undefined) throw error
    return `${beginning} An exception happened so please check your connect parameters: ${inspectBinding(binding)}. Exception: ${why}`
  }
}

class Refused extends Error {
  readonly code = 'P0001'
}

async function checkFilters(rows: Rows, oid: number, binding: Binding, role: string): Promise<void> {
  for (const filter of binding.filters) {
    const [column] = await rows(FILTER_COLUMN, [oid, filter.column, pg.escapeIdentifier(role)])
    if (column === undefined) throw new Refused(`invalid column for filter ${filter.column}`)
    if (filter.values.length > 100) throw new Refused('too many values for `in` filter. Maximum 100')
    for (const value of filter.values) await rows(`select $1::text::${column.type}`, [value])
  }
}

/** Undefined for what is not about the binding but about the connection. */
function exceptionText(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  const condition = CONDITIONS[String(error.code)]
  return condition === undefined ? undefined : `ERROR ${error.code} (${condition}) ${error.message}`
}

function columnType(row: Record<string, unknown>): ColumnType {
  const [name, sql] = [String(row.type), String(row.sql)]
  if (typeof row.element !== 'string') return { name, sql }
  return { name, sql, element: { name: row.element, delimiter: String(row.delimiter) } }
}
