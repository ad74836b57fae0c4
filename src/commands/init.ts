import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { DatabaseError } from '../database/database-error.ts'
import { describeError, UserError } from '../errors.ts'
import { PACKAGE_ROOT } from '../package-root.ts'
import { environment, readSettings, supabaseOf } from '../settings.ts'
import { conflictsInDatabase } from './init/conflicts.ts'
import { refuseLinks } from './init/links.ts'
import { nextSteps } from './init/next-steps.ts'
import { type Files, FUNCTION, inTheWay, MIGRATIONS, planInit } from './init/plan.ts'

const SINGLE = ['.env', '.env.example', 'ecosystem.config.cjs', 'supabase/config.toml']

/**
 * `mediaferry init`: makes this folder the home of a daemon and of its project's migrations and function. Run again,
 * it adds what a newer version brings, and otherwise changes nothing. Throws a UserError, before anything is written,
 * when something of the team's own is in the way.
 */
export async function init(): Promise<void> {
  const folder = process.cwd()
  const { writes, advice, outOfOrder } = planInit(filesOf(PACKAGE_ROOT), filesOf(folder), basename(folder))
  refuseLinks(folder, writes.keys())
  await stopForDatabase()
  for (const [path, text] of writes) {
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true })
    // .env will hold keys: for this user alone.
    writeFileSync(target, text, { mode: path === '.env' ? 0o600 : 0o644 })
  }
  const say = (text: string) => process.stdout.write(`${text}\n`)
  if (writes.size === 0) say('Everything is there already; nothing was changed.')
  for (const line of summaryOf([...writes.keys()])) say(line)
  for (const line of advice) say(`advice   ${line}`)
  const { SUPABASE_URL: url = '' } = environment()
  say(nextSteps(outOfOrder, url === '' ? undefined : url))
}

/** One line a folder: the migrations and the function are many files. */
function summaryOf(paths: readonly string[]): string[] {
  const within = (folder: string) => paths.filter(path => path.startsWith(folder)).length
  const migrations = within(MIGRATIONS)
  const functions = within(FUNCTION)
  return [
    ...paths.filter(path => !path.startsWith(MIGRATIONS) && !path.startsWith(FUNCTION)),
    ...(migrations > 0 ? [`${MIGRATIONS} (${migrations} files)`] : []),
    ...(functions > 0 ? [`${FUNCTION} (${functions} files)`] : []),
  ].map(line => `written  ${line}`)
}

/** Only when the settings name a project already. One that does not answer is none of init's business. */
async function stopForDatabase(): Promise<void> {
  let project: { readonly url: string; readonly key: string }
  try {
    project = supabaseOf(readSettings(environment(), ['supabase']))
  } catch (error) {
    if (error instanceof UserError) return
    throw error
  }
  try {
    const conflicts = await conflictsInDatabase(project)
    if (conflicts.length > 0) throw inTheWay(conflicts)
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    process.stdout.write(
      `advice   The database could not be asked for tables of our names: ${describeError(error)}\n`,
    )
  }
}

/** Of a folder, or of the package itself: all that init reads or writes, and nothing else. */
function filesOf(root: string): Files {
  const files = new Map<string, string>()
  const read = (path: string) => files.set(path.replaceAll(sep, '/'), readFileSync(join(root, path), 'utf8'))
  for (const path of SINGLE) if (existsSync(join(root, path))) read(path)
  for (const folder of [MIGRATIONS, FUNCTION]) {
    if (!existsSync(join(root, folder))) continue
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.isFile()) read(`${folder}${entry.name}`)
    }
  }
  return files
}
