import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectKeys } from '../src/local/keys.ts'
import { startCluster } from '../src/local/postgres.ts'
import { PACKAGE_ROOT, prepareDatabase, query, supabaseCli } from '../src/local/prepare.ts'
import { openChildRegistry } from '../src/local/processes.ts'
import { findings } from './advice.ts'
import { firstDifference } from './text-difference.ts'

/**
 * `npm run database:check` brings an empty PostgreSQL to the state of supabase/migrations and asks the
 * Supabase CLI two things about it: do the committed types still say the same, and do its security and
 * performance advisors find anything at level warn or above. `npm run database:types` writes the types.
 */
const TYPES = 'src/database/types.gen.ts'
const DATABASE = 'checked'

const folder = join(PACKAGE_ROOT, '.mediaferry', 'ci')
const registry = await openChildRegistry(folder)
const cluster = await startCluster({ folder: join(folder, 'postgres'), registry, fresh: true })
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => cluster.stop().finally(() => process.exit(130)))
}
try {
  await query(cluster.url('postgres'), `create database ${DATABASE}`)
  await prepareDatabase({
    databaseUrl: cluster.url(DATABASE),
    folder: join(folder, 'lite'),
    registry,
    keys: projectKeys(join(folder, 'keys.json')),
    fileSizeLimit: 100 * 2 ** 20,
  })
  const remote = `--remote=${cluster.url(DATABASE)}`
  const types = tidy(await supabaseCli(['gen', 'types', 'typescript', remote, '--schema', 'public']))
  if (process.argv.includes('--write')) {
    writeFileSync(join(PACKAGE_ROOT, TYPES), types)
    console.log(`Wrote ${TYPES}.`)
  } else {
    reportTypes(types)
    const advice = [
      'db',
      'advisors',
      remote,
      '--level',
      'warn',
      '--fail-on',
      'none',
      '--output-format',
      'json',
    ]
    reportAdvice(findings(await supabaseCli(advice)))
  }
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await cluster.stop()
  registry.close()
}

/** The CLI writes a table's columns on one line; formatted, a change of one is a change of one line. */
function tidy(types: string): string {
  const biome = join(PACKAGE_ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome')
  const input = `// Written by \`npm run database:types\` from supabase/migrations.\n${types}`
  return execFileSync(process.execPath, [biome, 'format', '--stdin-file-path=types.ts'], {
    cwd: PACKAGE_ROOT,
    encoding: 'utf8',
    input,
  })
}

function reportTypes(types: string): void {
  const path = join(PACKAGE_ROOT, TYPES)
  const difference = firstDifference(existsSync(path) ? readFileSync(path, 'utf8') : '', types)
  if (difference === undefined) {
    console.log(`${TYPES} agrees with the migrations.`)
    return
  }
  console.error(`${TYPES} does not agree with the migrations; run \`npm run database:types\`.\n${difference}`)
  process.exitCode = 1
}

function reportAdvice(found: readonly string[]): void {
  if (found.length === 0) {
    console.log('The advisors of Supabase find nothing at level warn or above.')
    return
  }
  console.error(`The advisors of Supabase object:\n${found.map(line => `  - ${line}`).join('\n')}`)
  process.exitCode = 1
}
