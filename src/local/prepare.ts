import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { UserError } from '../errors.ts'
import { PACKAGE_ROOT } from '../package-root.ts'
import type { ProjectKeys } from './keys.ts'
import { startLite } from './lite.ts'
import type { ChildRegistry } from './processes.ts'
import { resultOf } from './run-program.ts'

export { PACKAGE_ROOT }

/**
 * What a hosted project has before anybody migrates it: the three roles, their login, the publication.
 * Repeatable.
 */
const PLATFORM = `
do $$
begin
  if not exists (select from pg_roles where rolname = 'anon') then
    create role anon nologin noinherit;
    create role authenticated nologin noinherit;
    create role service_role nologin noinherit bypassrls;
    create role authenticator login noinherit;
    grant anon, authenticated, service_role to authenticator;
  end if;
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
end
$$;
create schema if not exists extensions;
-- As hosted projects have it: new tables are open to the roles of the Data API until a migration says otherwise.
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
`

export interface PrepareOptions {
  readonly databaseUrl: string
  /** A folder for the short first start of the Data API. */
  readonly folder: string
  readonly registry: ChildRegistry
  readonly keys: ProjectKeys
  readonly fileSizeLimit: number
}

/**
 * Makes an empty database a Supabase project with our migrations: the platform's own objects, the `storage`
 * schema (which @supabase/lite creates at its first start), then `supabase db push`, as in production.
 */
export async function prepareDatabase(options: PrepareOptions): Promise<void> {
  await query(options.databaseUrl, PLATFORM)
  if (!(await hasStorageSchema(options.databaseUrl))) {
    const lite = await startLite(options)
    await lite.stop()
  }
  await pushMigrations(options)
}

/** `supabase db push` against any PostgreSQL. Does nothing when all migrations are there. */
async function pushMigrations({ databaseUrl, registry }: PrepareOptions): Promise<void> {
  await supabaseCli(
    ['db', 'push', `--remote=${databaseUrl}`, '--yes', '--include-seed'],
    (command, args, options) => registry.spawn('supabase', command, args, options).process,
  )
}

type Start = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess

/** Runs the Supabase CLI in this package's folder. Answers its standard output; throws with its last words. */
export async function supabaseCli(args: readonly string[], start: Start = spawn): Promise<string> {
  const child = start(process.execPath, [supabaseProgram(), ...args], {
    cwd: PACKAGE_ROOT,
    env: { ...process.env, DO_NOT_TRACK: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { code, output, lastWords } = await resultOf(child)
  if (code === 0) return output
  throw new UserError(`supabase ${args[0]} ${args[1]} failed.`, { hint: lastWords })
}

function supabaseProgram(): string {
  const require = createRequire(import.meta.url)
  try {
    const manifest = require.resolve('supabase/package.json')
    const { bin }: { bin: Record<string, string> } = require(manifest)
    return join(dirname(manifest), bin.supabase ?? '')
  } catch (cause) {
    throw new UserError('The package supabase, which applies the migrations, is not installed.', {
      hint: 'Install the local project with `npm install --save-dev supabase`.',
      cause,
    })
  }
}

/** Runs one SQL text on a connection of its own. */
export async function query(databaseUrl: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}

async function hasStorageSchema(databaseUrl: string): Promise<boolean> {
  const { rows } = await query(databaseUrl, "select to_regclass('storage.buckets') is not null as there")
  return rows[0]?.there === true
}
