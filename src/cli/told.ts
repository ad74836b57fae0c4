import { DatabaseError } from '../database/database-error.ts'
import { UserError } from '../errors.ts'

/** The codes of which a person can mend the reason; another one is a fault of ours. */
const MENDABLE: ReadonlySet<string> = new Set(['credentials', 'unreachable', 'schema'])

/** A database that refuses a command or is away, in doctor's words; any other error as it is. */
export async function told(error: unknown): Promise<unknown> {
  if (!(error instanceof DatabaseError) || !MENDABLE.has(error.failure.code)) return error
  const { databaseVerdict } = await import('../commands/doctor/database.ts')
  const { message, fix } = databaseVerdict(error.failure)
  return new UserError(message, { hint: `${fix} \`mediaferry doctor\` looks at the rest.`, cause: error })
}
