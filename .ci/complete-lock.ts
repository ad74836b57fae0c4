import { readFileSync, writeFileSync } from 'node:fs'
import { completed, missingEntries } from './lock-entries.ts'

/**
 * `npm run lock:complete [-- FILE]` adds to package-lock.json what the registry in use did not have: the
 * other platforms' builds of packages. Run it after each `npm install` that changed the lock file.
 * With `--check` it changes nothing, names what is missing and exits 1.
 */
const check = process.argv.includes('--check')
const path = process.argv.slice(2).find(word => word !== '--check') ?? 'package-lock.json'

const lock = JSON.parse(readFileSync(path, 'utf8'))
const missing = missingEntries(lock)
const unknown = missing.filter(({ entry }) => entry === undefined)

if (missing.length === 0) {
  console.log(`${path} is complete.`)
} else if (check || unknown.length > 0) {
  const shown = check ? missing : unknown
  console.error(`${path} lacks ${shown.length} ${shown.length === 1 ? 'package' : 'packages'}:`)
  for (const { name, wanted } of shown) console.error(`  - ${name}@${wanted}`)
  console.error(
    unknown.length === 0
      ? 'Run `npm run lock:complete`.'
      : 'Where the name does not say for what platform a package is, only a registry that has it can tell.',
  )
  process.exitCode = 1
} else {
  writeFileSync(path, `${JSON.stringify(completed(lock, missing), null, 2)}\n`)
  console.log(`${path}: added ${missing.map(({ name, wanted }) => `${name}@${wanted}`).join(', ')}.`)
}
