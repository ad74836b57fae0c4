import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { pathToFileURL } from 'node:url'
import { UserError } from '../src/errors.ts'
import { projectKeys } from '../src/local/keys.ts'
import { type Cluster, startCluster } from '../src/local/postgres.ts'
import { PACKAGE_ROOT, prepareDatabase, query } from '../src/local/prepare.ts'
import { type ChildRegistry, openChildRegistry } from '../src/local/processes.ts'
import { type LocalProject, startProject } from '../src/local/project.ts'
import { coordinatesOf } from './support/coordinates.ts'
import { longestFirst } from './support/order.ts'
import { temporaryFolder } from './support/temporary-folder.ts'
import { bundled } from './support/together.ts'

/**
 * `npm test [-- FILE…]`: starts one PostgreSQL cluster with a migrated template database, runs the test
 * files against it, three at a time, and prints the slowest of them.
 */
const TEMPLATE = 'template_mediaferry'
const SHOWN = 10
/** One more than there are cores on a small machine: half of the tests wait for a daemon most of their time. */
const LANES = 3

const files = chosenFiles(process.argv.slice(2))
const { folder, registry } = await claimFolder()
const data = await dataFolder()
const cluster = await startCluster({
  folder: join(data, 'postgres'),
  registry,
  // A gigabyte of log unless told otherwise, and this may be memory.
  settings: { max_wal_size: '256MB' },
})
const projects: LocalProject[] = []
// For all that is started from here on; a command compiles for half of its CPU time.
process.env.NODE_COMPILE_CACHE = join(PACKAGE_ROOT, '.mediaferry', 'compile-cache')
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(130))
try {
  await prepareTemplate(cluster)
  process.env.MEDIAFERRY_TEST_DATABASE = cluster.url('postgres')
  process.env.MEDIAFERRY_TEST_TEMPLATE = TEMPLATE
  await startProjects(files.filter(usesProject).length)
  const durations = await runFiles()
  printSlowest(durations)
  // A test that ends the process with 0 takes the files behind it along, and node:test thinks nothing of it.
  const unfinished = files.filter(file => !durations.has(file))
  if (unfinished.length > 0) throw new Error(`Not run to their end: ${unfinished.join(', ')}`)
} catch (error) {
  console.error(error)
  process.exitCode = 1
}
await stop()

function chosenFiles(wanted: readonly string[]): string[] {
  const patterns = wanted.length === 0 ? ['test'] : wanted
  const found = patterns.flatMap(pattern => {
    if (/\.test\.ts$/.test(pattern) && existsSync(pattern)) return [relative(PACKAGE_ROOT, pattern)]
    return globSync(pattern.endsWith('.ts') ? pattern : `${pattern}/**/*.test.ts`, { cwd: PACKAGE_ROOT })
  })
  if (found.length > 0) return found.sort()
  console.error(`No test file matches ${patterns.join(' ')}. Give a path below test/, or none for all.`)
  process.exit(1)
}

/** A run beside another one (an editor's, a watcher's) takes the next folder. */
async function claimFolder(): Promise<{ folder: string; registry: ChildRegistry }> {
  for (let run = 1; ; run++) {
    const candidate = join(PACKAGE_ROOT, '.mediaferry', `test-${run}`)
    try {
      return { folder: candidate, registry: await openChildRegistry(candidate) }
    } catch (error) {
      if (!(error instanceof UserError) || run === 20) throw error
    }
  }
}

/** Where the databases and objects of this run are. What a run that was killed has left there goes first. */
async function dataFolder(): Promise<string> {
  const note = join(folder, 'data')
  const left = existsSync(note) ? readFileSync(note, 'utf8') : ''
  if (existsSync(left)) {
    // Opening a project's registry ends its processes.
    for (const project of globSync('project_*', { cwd: left })) {
      const { close } = await openChildRegistry(join(left, project))
      close()
    }
    rmSync(left, { recursive: true, force: true })
  }
  const made = temporaryFolder('test')
  writeFileSync(note, made)
  return made
}

async function prepareTemplate(started: Cluster): Promise<void> {
  const keys = projectKeys(join(folder, 'keys.json'))
  await query(started.url('postgres'), `create database ${TEMPLATE}`)
  await prepareDatabase({
    databaseUrl: started.url(TEMPLATE),
    folder: join(data, 'lite'),
    registry,
    keys,
    fileSizeLimit: 100 * 2 ** 20,
  })
  await query(started.url('postgres'), `alter database ${TEMPLATE} is_template true allow_connections false`)
}

function usesProject(file: string): boolean {
  return readFileSync(join(PACKAGE_ROOT, file), 'utf8').includes('support/project.ts')
}

/** At most as many as files run at once. Each has a copy of the template, and a file has it for itself. */
async function startProjects(files: number): Promise<void> {
  const numbers = Array.from({ length: Math.min(files, LANES) }, (_, at) => at + 1)
  const started = await Promise.allSettled(
    numbers.map(async number => {
      const name = `project_${number}`
      await query(cluster.url('postgres'), `create database ${name} template ${TEMPLATE}`)
      projects.push(await startProject({ folder: join(data, name), databaseUrl: cluster.url(name) }))
    }),
  )
  // All have started or failed by now, so that `stop` finds all that runs.
  for (const one of started) if (one.status === 'rejected') throw one.reason
  process.env.MEDIAFERRY_TEST_PROJECTS = JSON.stringify(projects.map(coordinatesOf))
}

async function runFiles(): Promise<Map<string, number>> {
  const durations = new Map<string, number>()
  const preload = pathToFileURL(join(PACKAGE_ROOT, 'test', 'support', 'unref-realtime-timers.ts')).href
  const execArgv = ['--import', 'tsx', '--import', preload]
  const ordered = longestFirst(bundled(files, PACKAGE_ROOT, join(folder, 'together')))
  const stream = run({ files: ordered, cwd: PACKAGE_ROOT, concurrency: LANES, execArgv, timeout: 240_000 })
  stream.on('test:summary', summary => {
    if (summary.file !== undefined) durations.set(shortName(summary.file), summary.duration_ms)
    else if (!summary.success) process.exitCode = 1
  })
  // A file that runs together with others is a suite.
  stream.on('test:complete', ({ name, nesting, details }) => {
    if (nesting === 0 && files.includes(name)) durations.set(name, details.duration_ms)
  })
  await new Promise<void>((resolve, reject) => {
    const shown = stream.compose(spec)
    shown.on('end', resolve).on('error', reject)
    shown.pipe(process.stdout, { end: false })
  })
  return durations
}

function shortName(file: string): string {
  return relative(file.startsWith(folder) ? folder : PACKAGE_ROOT, file)
}

function printSlowest(durations: Map<string, number>): void {
  const slowest = [...durations].sort(([, a], [, b]) => b - a).slice(0, SHOWN)
  console.log('\nSlowest files:')
  for (const [file, ms] of slowest) console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${file}`)
}

async function stop(code?: number): Promise<void> {
  await Promise.all(projects.map(project => project.stop()))
  await cluster.stop()
  rmSync(data, { recursive: true, force: true })
  if (code !== undefined) process.exit(code)
}
