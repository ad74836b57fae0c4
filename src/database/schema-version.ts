import { z } from 'zod'
import { UserError } from '../errors.ts'
import type { Client } from './client.ts'
import { DatabaseError } from './database-error.ts'

/** The migrations that this version is made for; the last file in supabase/migrations says the same number. */
export const SCHEMA_VERSION = 2

/** How to apply them, from the folder that holds `supabase/`. */
export const PUSH = 'npx supabase db push --remote'

const answer = z.object({ version: z.number().int() })

/** Which migrations are applied; null for those that cannot say. Rejects with a DatabaseError. */
export async function schemaVersion(call: Client['call']): Promise<number | null> {
  try {
    return (await call('mediaferry_schema', {}, answer)).version
  } catch (error) {
    if (error instanceof DatabaseError && error.failure.code === 'schema') return null
    throw error
  }
}

/**
 * What is wrong with a database of that version, null for the first migrations, which did not say theirs. Only the
 * very same number will do: functions may change their arguments and answers with any migration. Undefined when
 * nothing is wrong.
 */
export function schemaFault(version: number | null): UserError | undefined {
  if (version === SCHEMA_VERSION) return undefined
  if (version !== null && version > SCHEMA_VERSION) {
    return new UserError(
      `The database has newer migrations (version ${version}) than this mediaferry knows (${SCHEMA_VERSION}).`,
      { hint: 'Update mediaferry here: the version that the migrations came with, or a later one.' },
    )
  }
  const found = version === null ? 'no migrations of mediaferry, or the first ones' : `version ${version}`
  return new UserError(
    `The database has older migrations (${found}) than this mediaferry needs (version ${SCHEMA_VERSION}).`,
    {
      hint: `Apply them: \`${PUSH}\`, in the folder that holds supabase/. As a package: \`mediaferry init\` first.`,
    },
  )
}
