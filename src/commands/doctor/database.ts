import { z } from 'zod'
import { type Summary, summaryAnswer } from '../../database/answers.ts'
import type { Client } from '../../database/client.ts'
import { DatabaseError } from '../../database/database-error.ts'
import { ANNOUNCED, FUNCTIONS, TABLES } from '../../database/objects.ts'
import { PUSH, SCHEMA_VERSION, schemaFault } from '../../database/schema-version.ts'
import { failure, NOT_ASKED, ok, type Verdict, warning } from './finding.ts'

const checkup = z.object({
  missing_functions: z.array(z.string()),
  closed_functions: z.array(z.string()),
  open_functions: z.array(z.string()),
  open_tables: z.array(z.string()),
  announced_tables: z.array(z.string()),
  now: z.string(),
})

export type Checkup = z.output<typeof checkup>

/** What the catalog says of our tables and functions, and by how many milliseconds this clock is ahead of its. */
export interface DatabaseCheckup {
  readonly found: Checkup
  readonly aheadMs: number
}

const CREDENTIALS =
  'Set SUPABASE_SECRET_KEY to a secret key of this project: Project Settings, API Keys, "Secret keys".'
const UNREACHABLE =
  'Is SUPABASE_URL right, is the project paused, can this machine reach it? `curl -sI $SUPABASE_URL`'

/** Whether the Data API answers, and with the migrations that this version knows: `asked` is its `schemaVersion`. */
export async function lookAtMigrations(asked: Promise<number | null>): Promise<Verdict> {
  try {
    return migrationsVerdict(await asked)
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    return databaseVerdict(error.failure)
  }
}

export function databaseVerdict({
  code,
  message,
}: {
  readonly code: string
  readonly message: string
}): Verdict {
  return code === 'credentials'
    ? failure(`The database refuses the key: ${message}`, CREDENTIALS)
    : failure(`The database cannot be asked: ${message}`, code === 'schema' ? PUSH : UNREACHABLE)
}

/** Whether it is the key that the database refuses; what else may be wrong with that key is no news then. */
export async function refusesKey(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => false,
    error => error instanceof DatabaseError && error.failure.code === 'credentials',
  )
}

/** Null when the database does not say: `lookAtMigrations` tells why. */
export async function askSummary(call: Client['call']): Promise<Summary | null> {
  try {
    return await call('pipeline_summary', {}, summaryAnswer)
  } catch (error) {
    if (error instanceof DatabaseError) return null
    throw error
  }
}

export function migrationsVerdict(version: number | null): Verdict {
  const fault = schemaFault(version)
  return fault === undefined
    ? ok(`reachable, with the migrations of version ${SCHEMA_VERSION}`)
    : failure(fault.message, fault.hint ?? PUSH)
}

/** Null when the database has no such function, or is not there: `lookAtMigrations` says that. */
export async function askCheckup(call: Client['call']): Promise<DatabaseCheckup | null> {
  try {
    const sentAt = Date.now()
    const found = await call(
      'mediaferry_checkup',
      { tables: [...TABLES], functions: [...FUNCTIONS] },
      checkup,
    )
    // Its clock was read somewhere between: taken for the middle, the error is half of the way there and back.
    return { found, aheadMs: (sentAt + Date.now()) / 2 - Date.parse(found.now) }
  } catch (error) {
    if (error instanceof DatabaseError) return null
    throw error
  }
}

export function grantsVerdict(asked: DatabaseCheckup | null): Verdict {
  if (asked === null) return NOT_ASKED
  const { missing_functions: missing, closed_functions: closed } = asked.found
  const { open_functions: openFunctions, open_tables: openTables } = asked.found
  if (openTables.length > 0) {
    return failure(
      `Row level security is off: ${openTables.join(', ')}.`,
      openTables.map(name => `alter table public.${name} enable row level security;`).join(' '),
    )
  }
  if (openFunctions.length > 0) {
    return failure(
      `Anybody with the publishable key may call: ${openFunctions.join(', ')}.`,
      `In the SQL editor, for each: revoke execute on function ${inSchema(openFunctions[0])} from public, anon, authenticated;`,
    )
  }
  if (missing.length > 0) {
    return failure(
      `Functions are missing: ${missing.join(', ')}.`,
      `Somebody has dropped them: apply the file of supabase/migrations that makes them again, in the SQL editor.`,
    )
  }
  if (closed.length > 0) {
    return failure(
      `The daemon may not call: ${closed.join(', ')}.`,
      `In the SQL editor, for each: grant execute on function ${inSchema(closed[0])} to service_role;`,
    )
  }
  return ok(`${FUNCTIONS.length} functions for the daemon alone; row level security is on for all tables`)
}

const inSchema = (name = ''): string => `${FUNCTIONS.includes(name) ? 'public' : 'mediaferry'}.${name}`

export function publicationVerdict(asked: DatabaseCheckup | null): Verdict {
  if (asked === null) return NOT_ASKED
  const missing = ANNOUNCED.filter(name => !asked.found.announced_tables.includes(name))
  return missing.length === 0
    ? ok(`Realtime announces ${ANNOUNCED.join(' and ')}`)
    : failure(
        `Realtime does not announce ${missing.join(' and ')}: files wait for SWEEP_INTERVAL.`,
        `In the SQL editor: ${missing.map(name => `alter publication supabase_realtime add table public.${name};`).join(' ')}`,
      )
}

/** The database's clock decides who may claim; what this machine's is used for bears seconds, not minutes. */
const NOTICED_MS = 10_000
const WRONG_MS = 300_000

export function clockVerdict(asked: DatabaseCheckup | null): Verdict {
  if (asked === null) return NOT_ASKED
  const seconds = Math.round(Math.abs(asked.aheadMs) / 1000)
  const found = `This machine's clock is ${seconds} s ${asked.aheadMs > 0 ? 'ahead of' : 'behind'} the database's.`
  const fix = 'sudo timedatectl set-ntp true'
  if (Math.abs(asked.aheadMs) > WRONG_MS) return failure(found, fix)
  if (Math.abs(asked.aheadMs) > NOTICED_MS) return warning(found, fix)
  return ok(`within ${Math.max(seconds, 1)} s of the database's`)
}
