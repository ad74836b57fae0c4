import { spawn } from 'node:child_process'
import { z } from 'zod'
import { UserError } from '../errors.ts'
import { resultOf } from './run-program.ts'

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

/**
 * Asks `supabase status` in the working folder: the CLI that the user's PATH has, which is the one that started
 * the project. Throws a UserError when no project is running.
 */
export async function runningCliProject(): Promise<CliProject> {
  const child = spawn('supabase', ['status', '--output', 'json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // npm's programs are .cmd files there, which only a shell runs.
    shell: process.platform === 'win32',
  })
  const { code, output, lastWords } = await resultOf(child)
  if (code === 0) return readStatus(output)
  if (lastWords.includes('ENOENT')) {
    throw new UserError('The supabase CLI is not installed.', {
      hint: 'Install it (`npm install --save-dev supabase`), or run `mediaferry dev` alone.',
    })
  }
  throw new UserError('`supabase status` finds no running project.', {
    hint: `${lastWords}\n${START_IT}`.trim(),
  })
}

const START_IT =
  'Start one with `supabase start` in this folder (it needs Docker), or run `mediaferry dev` alone.'

/** Reads the JSON of `supabase status --output json`; newer CLIs give `sb_secret_…` keys, older ones a JWT. */
export function readStatus(output: string): CliProject {
  const parsed = status.safeParse(jsonIn(output))
  const key = parsed.success ? parsed.data.SECRET_KEY || parsed.data.SERVICE_ROLE_KEY : undefined
  if (!parsed.success || !key) {
    throw new UserError('`supabase status` does not name a running project.', { hint: START_IT })
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
