/**
 * Fails when an Edge Function would run on other versions when deployed than in the tests. Deployed, the
 * platform resolves the import map in the function's `deno.json`; here, Deno resolves the same names from
 * node_modules, as package-lock.json pins it, and would even find a package that the map does not name.
 *
 *     tsx .ci/check-function-imports.ts
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type Json = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function get(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** One sentence for each import that differs, is not exact, or is missing from the map. */
export function importFaults(denoJson: unknown, lock: unknown, sources: readonly string[]): string[] {
  const imports = get(denoJson, 'imports')
  const map = isObject(imports) ? imports : {}
  const faults: string[] = []

  for (const [name, target] of Object.entries(map)) {
    const locked = get(get(get(lock, 'packages'), `node_modules/${name}`), 'version')
    const wanted = typeof locked === 'string' ? `npm:${name}@${locked}` : null
    if (wanted === null) faults.push(`${name} is mapped to ${target}, but package-lock.json does not have it`)
    else if (target !== wanted) faults.push(`${name} is mapped to ${target}; package-lock.json has ${wanted}`)
  }

  const used = new Set(sources.flatMap(bareImports))
  for (const name of used) {
    if (!Object.hasOwn(map, name)) faults.push(`${name} is imported, but the import map does not name it`)
  }
  return faults
}

function bareImports(source: string): string[] {
  const found = source.matchAll(
    /^\s*(?:import\s*|(?:import|export)\b[\w\s{},*$]*\bfrom\s*)['"]([^'"]+)['"]/gm,
  )
  return Array.from(found, match => match[1] ?? '').filter(
    name => !name.startsWith('.') && !name.startsWith('node:'),
  )
}

function checkAll(root: string): string[] {
  const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'))
  const lock = readJson('package-lock.json')
  const maps = globSync('supabase/functions/*/deno.json', { cwd: root })
  if (maps.length === 0) return ['no supabase/functions/*/deno.json found']
  return maps.flatMap(path => {
    const folder = join(root, path, '..')
    const sources = globSync('**/*.ts', { cwd: folder }).map(file => readFileSync(join(folder, file), 'utf8'))
    return importFaults(readJson(path), lock, sources).map(fault => `${path}: ${fault}`)
  })
}

if (import.meta.main) {
  const faults = checkAll(join(import.meta.dirname, '..'))
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
}
