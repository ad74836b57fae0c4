import { type DatabaseOptions, openClient } from '../../database/client.ts'
import { databaseError } from '../../database/database-error.ts'
import { TABLES, type Table } from '../../database/objects.ts'
import { schemaVersion } from '../../database/schema-version.ts'

/** A table that the team has under a name of ours. */
export interface Conflict {
  readonly table: string
  /** The migration that makes it, or `the database`. */
  readonly where: string
}

export interface Migration {
  readonly name: string
  readonly text: string
}

const COMMENTS = /--[^\n]*|\/\*[\s\S]*?\*\//g
const NAME = String.raw`(?:if\s+(?:not\s+)?exists\s+)?(?:only\s+)?(?:"?public"?\s*\.\s*)?"?([a-z_]+)"?`
const STATEMENTS = new RegExp(
  String.raw`\b(create\s+(?:unlogged\s+)?table|drop\s+table|alter\s+table)\s+${NAME}(?:\s+(rename\s+to)\s+"?([a-z_]+)"?)?`,
  'gi',
)

/** What the team's own migrations, applied in the order of their names, leave standing under a name of ours. */
export function conflictsIn(migrations: readonly Migration[]): readonly Conflict[] {
  const standing = new Map<string, string>()
  for (const { name: where, text } of migrations.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const [, verb = '', table = '', renames, renamed = ''] of text
      .replace(COMMENTS, ' ')
      .matchAll(STATEMENTS)) {
      if (/^create/i.test(verb)) standing.set(table.toLowerCase(), where)
      else if (/^drop/i.test(verb)) standing.delete(table.toLowerCase())
      else if (renames !== undefined) {
        standing.delete(table.toLowerCase())
        standing.set(renamed.toLowerCase(), where)
      }
    }
  }
  return TABLES.flatMap(table => {
    const where = standing.get(table)
    return where === undefined ? [] : [{ table, where }]
  })
}

/**
 * Tables of our names in a database that has none of our functions: somebody else's. Rejects with a DatabaseError
 * when the database cannot be asked.
 */
export async function conflictsInDatabase(options: DatabaseOptions): Promise<readonly Conflict[]> {
  const { call, from, close } = openClient({ ...options, timeoutMs: 10_000 })
  try {
    if ((await schemaVersion(call)) !== null) return []
    const there = async (table: Table) => {
      const { error, status } = await from(table).select('*').limit(1)
      if (error === null) return true
      const thrown = databaseError(error, status)
      if (thrown.failure.code === 'schema') return false
      throw thrown
    }
    // The first migrations had this table too, and no function that says so.
    if (await there('realtime_canary')) return []
    const found = await Promise.all(
      TABLES.map(async table => ((await there(table)) ? [{ table, where: 'the database' }] : [])),
    )
    return found.flat()
  } finally {
    await close()
  }
}
