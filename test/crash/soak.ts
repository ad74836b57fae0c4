import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import pg from 'pg'
import { projectKeys } from '../../src/local/keys.ts'
import { startCluster } from '../../src/local/postgres.ts'
import { PACKAGE_ROOT, prepareDatabase } from '../../src/local/prepare.ts'
import { openChildRegistry } from '../../src/local/processes.ts'
import { FILE_SIZE_LIMIT, startProject } from '../../src/local/project.ts'
import type { OutgoingMessage } from '../../supabase/functions/whatsapp-webhook/compose.ts'
import { coordinatesOf } from '../support/coordinates.ts'
import { testProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { type SoakReport, soak } from './soak/run.ts'

/**
 * `npm run soak [-- --kills 200 --seed 1 --json]`: a local project of its own in `.mediaferry/soak`, and daemons that
 * are killed at random instants. Exit code 1 when anything is not as it must be.
 */
const { kills, seed, json } = options()
const giveUp = new AbortController()
/** What is under way towards the database is over by then. */
const QUIET_MS = 1000
let stopping = false
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => giveUp.abort())
const ends: (() => Promise<void>)[] = []
try {
  const report = await run()
  if (json) console.log(JSON.stringify(report))
  else tell(report)
  process.exitCode = report.violations.length > 0 ? 1 : 0
} catch (error) {
  console.error(giveUp.signal.aborted ? giveUp.signal.reason : error)
  process.exitCode = giveUp.signal.aborted ? 130 : 1
} finally {
  stopping = true
  for (const end of ends.reverse()) await end()
}

function options() {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '200' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      json: { type: 'boolean', default: false },
    },
  })
  const [kills, seed] = [Number(values.kills), Number(values.seed)]
  if (Number.isSafeInteger(kills) && kills > 0 && Number.isSafeInteger(seed))
    return { ...values, kills, seed }
  console.error('--kills is a whole number from 1, --seed a whole number.')
  process.exit(1)
}

async function run(): Promise<SoakReport> {
  const folder = join(PACKAGE_ROOT, '.mediaferry', 'soak')
  const registry = await openChildRegistry(folder)
  ends.push(async () => registry.close())
  const place = { folder: join(folder, 'postgres'), registry }
  let cluster = await startCluster({ ...place, fresh: true })
  ends.push(() => cluster.stop())
  const databaseUrl = cluster.url('postgres')
  await prepareDatabase({
    databaseUrl,
    folder: join(folder, 'lite'),
    registry,
    keys: projectKeys(join(folder, 'keys.json')),
    fileSizeLimit: FILE_SIZE_LIMIT,
  })
  const local = await startProject({ folder: join(folder, 'project'), databaseUrl })
  ends.push(() => local.stop())
  void local.broken.then(why => {
    if (!stopping) giveUp.abort(new Error(why))
  })
  const database = new pg.Pool({ connectionString: databaseUrl, max: 4 })
  // Its connections end with the database.
  database.on('error', () => undefined)
  ends.push(() => database.end())

  const proxy = await startProxy(local.url)
  ends.push(() => proxy.stop())
  const direct = testProject(coordinatesOf(local), database)
  let breaking: Promise<void> = Promise.resolve()
  const project = {
    ...direct,
    url: proxy.url,
    deliver: async (...messages: readonly OutgoingMessage[]) => {
      await breaking
      await direct.deliver(...messages)
    },
  }

  /**
   * The database is ended without a word. Nobody may be talking to it through the local Data API at that moment:
   * postgres.js 3.4, by which that one lives, then dies of a write to a connection that is gone.
   */
  async function restartDatabase(): Promise<void> {
    void proxy.refuse('/')
    await wait(QUIET_MS)
    const { port } = cluster
    await cluster.crash()
    cluster = await startCluster({ ...place, port })
    if (cluster.port !== port) throw new Error(`port ${port} was taken while the database was away`)
    proxy.passAll()
  }
  const bar = new SingleBar({
    format:
      '{bar} {value}/{total} kills, {freezes} freezes, {outages} outages, {sent} messages, {eta} s left',
    clearOnComplete: true,
    stream: process.stderr,
  })
  bar.start(kills, 0, { freezes: 0, outages: 0, sent: 0 })
  try {
    return await soak({
      project,
      kills,
      seed,
      signal: giveUp.signal,
      breakDatabase: () => {
        breaking = breaking.then(restartDatabase)
        return breaking
      },
      onProgress: count => bar.update(count.kills, count),
    })
  } finally {
    await breaking.catch(() => undefined)
    bar.stop()
  }
}

function tell(report: SoakReport): void {
  const { violations, lostLeases, ...rest } = report
  console.log(
    `seed ${rest.seed}: ${rest.kills} kills, ${rest.freezes} freezes and ${rest.outages} ends of the database in ${rest.seconds} s`,
  )
  console.log(`${rest.rows} rows: ${rest.uploaded} uploaded, ${rest.failed} failed`)
  console.log(`rows by lost leases, from none on: ${lostLeases.join(', ')}`)
  console.log(`${rest.orphans} objects that no row names`)
  for (const violation of violations) console.log(`violation: ${violation}`)
  console.log(violations.length === 0 ? 'every row and every object is as it must be' : 'FAILED')
}
