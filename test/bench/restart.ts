import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { PACKAGE_ROOT } from '../../src/local/prepare.ts'
import { startProject } from '../../src/local/project.ts'
import { coordinatesOf } from '../support/coordinates.ts'
import { daemonEnvironment } from '../support/daemon.ts'
import { ECOSYSTEM, pm2Home } from '../support/pm2.ts'
import { testProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { median } from './statistics.ts'

/**
 * `npm run bench:restart [-- --times 10 --json]`: how long from `kill -9` under PM2 to the first new claim. The time
 * is split where a stranger can see it: PM2 starts the process; its first call of the database (recovery begins);
 * its first claim, carried out. The same instants are in no log of the daemon.
 */
const { values } = parseArgs({
  options: { times: { type: 'string', default: '10' }, json: { type: 'boolean', default: false } },
})
const RECOVERY = 'POST /rest/v1/rpc/release_claims'
const CLAIM = 'POST /rest/v1/rpc/claim_attachments'
const STEPS = ['pm2', 'start', 'recovery', 'total'] as const

type Sample = Readonly<Record<(typeof STEPS)[number], number>>

const ends: (() => Promise<void>)[] = []
try {
  const samples = await measure(Number(values.times))
  const figures = STEPS.map(step => {
    const all = samples.map(sample => sample[step])
    return [step, { median: Math.round(median(all)), max: Math.round(Math.max(...all)) }] as const
  })
  if (values.json) console.log(JSON.stringify({ times: samples.length, ms: Object.fromEntries(figures) }))
  else {
    for (const [step, ms] of figures) {
      console.log(`${step.padEnd(9)} median ${ms.median} ms, most ${ms.max} ms`)
    }
  }
} finally {
  for (const end of ends.reverse()) await end()
}

async function measure(times: number): Promise<Sample[]> {
  const local = await startProject({
    folder: join(PACKAGE_ROOT, '.mediaferry', 'bench-restart'),
    fresh: true,
  })
  ends.push(() => local.stop())
  const database = new pg.Pool({ connectionString: local.databaseUrl })
  ends.push(() => database.end())
  const project = testProject(coordinatesOf(local), database)
  const proxy = await startProxy(project.url)
  ends.push(() => proxy.stop())
  const states = mkdtempSync(join(tmpdir(), 'mediaferry-restart-'))
  ends.push(async () => rmSync(states, { recursive: true, force: true }))
  // PM2 forgets earlier crashes after 30 s of life, at its next look half a minute later: so long nobody waits here.
  const pm2 = pm2Home({ EXP_BACKOFF_RESET_TIMER: '500', PM2_WORKER_INTERVAL: '250' })
  ends.push(() => pm2.stop())
  await pm2.run(
    ['start', ECOSYSTEM],
    daemonEnvironment(project, join(states, 'state.sqlite'), { SUPABASE_URL: proxy.url, INSTANCES: '1' }),
  )
  const samples: Sample[] = []
  while (samples.length < times) {
    await wait(1500)
    const { pid } = await pm2.app('mediaferry')
    const recovery = proxy.holdRequest(RECOVERY)
    const claim = proxy.holdAnswer(CLAIM)
    const killed = performance.now()
    process.kill(pid, 'SIGKILL')
    await recovery.arrived
    const recovering = performance.now()
    recovery.release()
    await claim.arrived
    const claimed = performance.now()
    claim.release()
    const started = startOf((await pm2.app('mediaferry')).pid)
    samples.push({
      pm2: started - killed,
      start: recovering - started,
      recovery: claimed - recovering,
      total: claimed - killed,
    })
  }
  return samples
}

/** When that process began, on the clock of `performance.now()`; to 10 ms, as the kernel tells it. */
function startOf(pid: number): number {
  const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? ''
  const ticks = Number(afterName.split(' ')[19])
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  return performance.now() - (uptime - ticks / 100) * 1000
}
