import { z } from 'zod'
import { UserError } from '../errors.ts'
import { supabaseCli } from './prepare.ts'

/** The local project of the supabase CLI, as far as we need it. */
export interface CliProject {
  readonly url: string
  readonly databaseUrl: string
  readonly secretKey: string
}

const status = z.object({
  API_URL: z.url(),
  DB_URL: z.string().startsWith('postgres'),
  SECRET_KEY: z.string().optional(),
  SERVICE_ROLE_KEY: z.string().optional(),
})

/** Asks `supabase status`. Throws a UserError when no project is running. */
export async function runningCliProject(): Promise<CliProject> {
  return readStatus(await supabaseCli(['status', '--output', 'json']))
}

/** Reads the JSON of `supabase status --output json`; newer CLIs give `sb_secret_…` keys, older ones a JWT. */
export function readStatus(output: string): CliProject {
  const parsed = status.safeParse(jsonIn(output))
  const key = parsed.success ? (parsed.data.SECRET_KEY ?? parsed.data.SERVICE_ROLE_KEY) : undefined
  if (!parsed.success || key === undefined) {
    throw new UserError('`supabase status` does not name a running project.', {
      hint: 'Start it with `supabase start` in this folder, and look at `supabase status --output json`.',
    })
  }
  return { url: parsed.data.API_URL, databaseUrl: parsed.data.DB_URL, secretKey: key }
}

/** The CLI may print notices (stopped services, a newer version) around the object. */
function jsonIn(output: string): unknown {
  try {
    return JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1))
  } catch {
    return undefined
  }
}
