import { createHash } from 'node:crypto'
import { UserError } from '../../errors.ts'
import { planConfig } from './config-toml.ts'
import { conflictsIn } from './conflicts.ts'

/** Files by their path from the folder, with `/` between. */
export type Files = ReadonlyMap<string, string>

export interface Plan {
  /** What to write, in this order; nothing else is touched. */
  readonly writes: Files
  readonly advice: readonly string[]
  /** New migrations come before ones of the team's own, which the CLI refuses without being told. */
  readonly outOfOrder: boolean
}

export const MIGRATIONS = 'supabase/migrations/'
export const FUNCTION = 'supabase/functions/whatsapp-webhook/'
const CONFIG = 'supabase/config.toml'
/** What init wrote there the last time: files that still say the same may be replaced by a newer version's. */
const MANIFEST = `${FUNCTION}.mediaferry.json`
/** Written once, and the team's own from then on. */
const ONCE = [
  ['.env', '.env.example'],
  ['ecosystem.config.cjs', 'ecosystem.config.cjs'],
] as const

/**
 * What a folder needs to be the home of mediaferry, given what the package has and what is there. Throws a UserError,
 * before anything is written, when something of the team's own is in the way.
 */
export function planInit(ours: Files, theirs: Files, folderName: string): Plan {
  const writes = new Map<string, string>()
  for (const [path, source] of ONCE) {
    // Outside a clone, a command is called without npm's scripts.
    if (!theirs.has(path))
      writes.set(path, textOf(ours, source).replaceAll('npm run mediaferry --', 'npx mediaferry'))
  }
  const added = planMigrations(ours, theirs)
  planFunction(ours, theirs, writes)
  for (const path of added) writes.set(path, textOf(ours, path))
  const { text, advice } = planConfig(theirs.get(CONFIG), folderName)
  if (text !== undefined) writes.set(CONFIG, text)
  const newest = [...theirs.keys()].filter(isMigration).sort().at(-1) ?? ''
  return { writes, advice, outOfOrder: added.some(path => path < newest) }
}

const isMigration = (path: string): boolean => path.startsWith(MIGRATIONS) && path.endsWith('.sql')

function planMigrations(ours: Files, theirs: Files): readonly string[] {
  const mine = [...ours.keys()].filter(isMigration).sort()
  const changed = mine.filter(path => theirs.has(path) && theirs.get(path) !== ours.get(path))
  if (changed.length > 0) {
    throw new UserError(`These migrations of mediaferry were changed here: ${changed.join(', ')}.`, {
      hint: 'Put them back as the package has them, and make your own change in a migration of your own.',
    })
  }
  const own = [...theirs].flatMap(([path, text]) =>
    isMigration(path) && !ours.has(path) ? [{ name: path, text }] : [],
  )
  const conflicts = conflictsIn(own)
  if (conflicts.length > 0) throw inTheWay(conflicts)
  return mine.filter(path => !theirs.has(path))
}

export function inTheWay(
  conflicts: readonly { readonly table: string; readonly where: string }[],
): UserError {
  const lines = conflicts.map(({ table, where }) => `  - ${table}, made by ${where}`)
  return new UserError(`Tables of mediaferry's names are there already:\n${lines.join('\n')}`, {
    hint: 'Nothing was written. Rename yours in a migration of your own, or give mediaferry a Supabase project of its own.',
  })
}

function planFunction(ours: Files, theirs: Files, writes: Map<string, string>): void {
  const mine = [...ours.keys()].filter(path => path.startsWith(FUNCTION))
  const written = manifestOf(theirs.get(MANIFEST))
  const changed = mine.filter(path => {
    const there = theirs.get(path)
    return there !== undefined && there !== ours.get(path) && written[path] !== hashOf(there)
  })
  if (changed.length > 0) {
    throw new UserError(`These files of the function were changed here: ${changed.join(', ')}.`, {
      hint: 'Nothing was written. Move them away, run `mediaferry init` again, and make your changes anew.',
    })
  }
  for (const path of mine) if (theirs.get(path) !== ours.get(path)) writes.set(path, textOf(ours, path))
  const manifest = `${JSON.stringify(Object.fromEntries(mine.sort().map(path => [path, hashOf(textOf(ours, path))])), null, 2)}\n`
  if (theirs.get(MANIFEST) !== manifest) writes.set(MANIFEST, manifest)
}

function manifestOf(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) return {}
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? Object.fromEntries(Object.entries(parsed)) : {}
  } catch {
    return {}
  }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

function textOf(files: Files, path: string): string {
  const text = files.get(path)
  if (text === undefined) throw new Error(`the package lacks ${path}`)
  return text
}
