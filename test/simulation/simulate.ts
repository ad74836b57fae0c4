import { createLog, type Log } from '../../src/log.ts'
import { readSettings } from '../../src/settings.ts'
import { plan } from './chaos.ts'
import type { Violation } from './judge.ts'
import { createKeeper, type Keeper, stopWatchingActors } from './keeper.ts'
import { MAX_FILE_SIZE } from './whatsapp.ts'
import { createWorld, type World } from './world.ts'

export interface Simulated {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly trace: readonly string[]
  /** Timers and answers that were let happen. */
  readonly steps: number
  /** Simulated milliseconds. */
  readonly lasted: number
}

export interface SimulateOptions {
  /** How often each fault and each outcome occurred; added to. */
  readonly counts?: Map<string, number>
  /** Told of every line of the trace as it is written, the daemons' logs among them. */
  readonly show?: (line: string) => void
}

/** How long the faults strike. */
const CHAOS_MS: readonly [number, number] = [20_000, 70_000]
/**
 * After that every row has to end: a circuit's longest wait (a minute), a lease, a sweep, and four attempts with their
 * delays, for a poison file five lives more and the ten and a half minutes of its pauses.
 */
const RECOVERY_MS = 1_500_000
/** DRAIN_TIMEOUT, the machine's own five seconds for closing, and what the answers take. */
const STOPPING_MS = 40_000

/** One seed's world, from its first daemon to its last. One at a time: the clock is everybody's. */
export async function simulate(
  seed: number,
  { counts = new Map(), show }: SimulateOptions = {},
): Promise<Simulated> {
  let keeper: Keeper | undefined
  const log = (process: string): Log =>
    show === undefined
      ? createLog('silent')
      : createLog('info', { write: line => show(`          ${process} logs ${line.trimEnd()}`) })
  const world = createWorld({ seed, counts, ...(show === undefined ? {} : { show }) }, made => {
    keeper = createKeeper({
      world: made,
      settings: settingsFor(made),
      log,
      count: made.random.pick([1, 1, 2, 2, 2, 3, 4]),
      incidents: 12,
    })
    return keeper
  })
  if (keeper === undefined) throw new Error('the world has no keeper')
  const { time, random } = world
  const start = time.now()
  let steps = 0

  /** Lets time pass until it is so, an invariant breaks or `ms` are over: then false. */
  async function until(ms: number, isSo: () => boolean): Promise<boolean> {
    const end = time.now() + ms
    while (!isSo()) {
      if (world.judge.violations.length > 0) return true
      if (time.now() >= end || !(await time.step())) return false
      steps++
    }
    return true
  }

  try {
    const chaosMs = random.between(...CHAOS_MS)
    plan(world, keeper, chaosMs)
    await until(chaosMs, () => false)
    const done = await until(RECOVERY_MS, () => world.calm && allEnded(world))
    if (!done) world.judge.broken('every row ends once the faults are over', openRows(world))
    checkEnd(world)
    keeper.finish()
    const { running } = keeper
    if (!(await until(STOPPING_MS, () => running() === 0)))
      world.judge.broken('a stop ends', `${running()} still run`)
    const over = time.now() + 20_000
    await until(20_000, () => time.now() >= over)
    return {
      seed,
      violations: world.judge.violations,
      trace: world.trace.lines,
      steps,
      lasted: time.now() - start,
    }
  } finally {
    stopWatchingActors()
    time.end()
  }
}

function settingsFor(world: World) {
  return readSettings(
    {
      SUPABASE_URL: 'https://simulated.supabase.co',
      SUPABASE_SECRET_KEY: 'sb_secret_simulated_simulated',
      WHATSAPP_ACCESS_TOKEN: 'simulated',
      CONCURRENCY: String(world.random.between(1, 6)),
      LEASE: `${world.leaseMs}ms`,
      RETRY_DELAY: `${world.random.between(1, 20)}s`,
      SWEEP_INTERVAL: '10s',
      CANARY_INTERVAL: '10s',
      CANARY_TIMEOUT: '3s',
      DRAIN_TIMEOUT: '10s',
      MAX_FILE_SIZE: `${MAX_FILE_SIZE}B`,
    },
    ['supabase', 'token'],
  )
}

const isOpen = (status: string): boolean => status === 'PENDING' || status === 'UPLOADING'

function allEnded(world: World): boolean {
  if ([...world.items.values()].some(item => item.attachment === null)) return false
  return world.database.rows().every(row => !isOpen(row.upload_status))
}

const openRows = (world: World): string =>
  world.database
    .rows()
    .filter(row => isOpen(row.upload_status))
    .map(row => `${row.id} ${row.upload_status} ${row.error_code} lost ${row.lost_leases}`)
    .join(', ')

/** What has to be true of every file in the end. */
function checkEnd(world: World): void {
  const { judge, trace } = world
  if (judge.violations.length > 0) return
  const rows = new Map(world.database.rows().map(row => [row.whatsapp_media_id, row]))
  for (const item of world.items.values()) {
    const row = rows.get(item.mediaId)
    if (row === undefined) {
      judge.broken('nothing is lost', `${item.mediaId} has no row`)
      continue
    }
    trace.count(`${item.fault} ended ${row.upload_status} ${row.error_code ?? ''}`)
    if (row.upload_status !== 'UPLOADED') continue
    const object = world.objects.get(row.object_key ?? '')
    if (
      object?.sha256 !== item.sha256 ||
      row.sha256 !== item.sha256 ||
      row.size_bytes !== item.bytes.length
    ) {
      judge.broken('an UPLOADED row names its whole bytes', `${row.id} at the end`)
    }
  }
  const named = new Set([...rows.values()].map(row => row.object_key))
  for (const key of world.objects.keys()) if (!named.has(key)) trace.count('object left behind')
}
