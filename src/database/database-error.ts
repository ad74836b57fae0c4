import type { PostgrestError } from '@supabase/supabase-js'
import type { Failure } from '../attachment.ts'
import { tidyText, withoutSecrets } from '../errors.ts'

/**
 * A call that the database did not carry out. It is never an attachment's fault: `failure` says which way
 * the database is out of order. `data` marks SQLSTATE classes 22 and 23, a value that jsonb, a column or a
 * constraint refuses: the caller then finds the one bad item by halving its batch.
 */
export class DatabaseError extends Error {
  readonly failure: Failure
  readonly data: boolean

  constructor(failure: Failure, data: boolean, cause: unknown) {
    super(failure.message, { cause })
    this.name = 'DatabaseError'
    this.failure = failure
    this.data = data
  }
}

/**
 * What a refused call means, by PostgREST's code or SQLSTATE, then by HTTP status
 * (https://docs.postgrest.org/en/stable/references/errors.html); supabase-js says 0 when nothing answered.
 *
 * | code                                             | failure       |
 * |--------------------------------------------------|---------------|
 * | PGRST202, PGRST205, 42883, 42P01                 | `schema`      |
 * | PGRST301 to PGRST303, 42501, HTTP 401 and 403    | `credentials` |
 * | classes 22 and 23                                | `data`        |
 * | anything else, and no answer at all              | `unreachable` |
 */
export function databaseError(error: PostgrestError, status: number): DatabaseError {
  if (status === 0) return noAnswer(error)
  const code = codeOf(error.code ?? '', status)
  return new DatabaseError(interrupted(code, saidBy(error, status)), code === 'data', error)
}

/**
 * The same for a call that was never answered: refused, reset, timed out. supabase-js flattens what fetch threw;
 * the cause (`connect ECONNREFUSED …`) is a line of its details, before a stack.
 */
function noAnswer(error: PostgrestError): DatabaseError {
  const cause = /^Caused by: (.+)$/m.exec(error.details ?? '')?.[1]
  const text = cause === undefined ? error.message : `${error.message}: ${cause}`
  return new DatabaseError(interrupted('unreachable', tidyText(withoutSecrets(text))), false, error)
}

/** What stands between us and PostgREST may answer with a page, with nothing, or with JSON of its own. */
function saidBy(error: PostgrestError, status: number): string {
  const { message, details } = error
  if (typeof message !== 'string' || message.trim() === '' || /^\s*</.test(message)) return `HTTP ${status}`
  return tidyText(withoutSecrets(details ? `${message} (${details})` : message))
}

const DATA = /^2[23][0-9A-Z]{3}$/

function codeOf(code: string, status: number): string {
  if (/^(PGRST20[25]|42883|42P01)$/.test(code)) return 'schema'
  if (/^(PGRST30\d|42501)$/.test(code) || status === 401 || status === 403) return 'credentials'
  return DATA.test(code) ? 'data' : 'unreachable'
}

function interrupted(code: string, message: string): Failure {
  return { verdict: 'interrupted', dependency: 'database', code, message }
}
