import { setTimeout as delay } from 'node:timers/promises'
import { hashes, sequence } from '../mix.ts'
import { median, rounded } from '../statistics.ts'
import { forgetPeak, residentMb } from '../usage.ts'
import { commitAttachments, emptyDatabase } from '../work.ts'
import type { World } from '../world.ts'
import { startDaemon } from './daemon.ts'
import { fillPending } from './fill.ts'

/** Resident memory of one daemon process with eight lanes, MB of 2^20 bytes. */
export interface MemoryReport {
  readonly pending: number
  /** Nothing to do. */
  readonly empty_mb: number
  /** At the most while it carries files and nothing else waits. */
  readonly empty_working_mb: number
  /** So many rows wait, and WhatsApp does not answer. */
  readonly pending_down_mb: number
  /** At the most while it carries them. */
  readonly pending_working_mb: number
}

const CONCURRENCY = 8
/** Modules are loaded, connections open, the first catch-up is through. */
const SETTLE_MS = 10_000
const WORK_MS = 30_000
const SAMPLES = 10
/** Enough for lanes of a second. */
const FEW = 1000
/** A port that nobody listens on (RFC 863, discard). */
const NOBODY = 'http://127.0.0.1:9'

export async function measureDaemonMemory(world: World, pending: number): Promise<MemoryReport> {
  await emptyDatabase(world)
  const empty = await resting(world)
  const emptyWorking = await working(world, async () => {
    const until = performance.now() + WORK_MS
    // As fast as it can, as beside a backlog: what is carried costs some memory, however much waits.
    while (performance.now() < until) {
      if ((await openRows(world)) < FEW) await commitAttachments(world, sequence('200KB', FEW))
      await delay(50)
    }
  })
  await emptyDatabase(world)
  await fill(world, pending)
  const down = await resting(world, { WHATSAPP_GRAPH_URL: NOBODY })
  const pendingWorking = await working(world, () => delay(WORK_MS))
  return {
    pending,
    empty_mb: rounded(empty, 1),
    empty_working_mb: rounded(emptyWorking, 1),
    pending_down_mb: rounded(down, 1),
    pending_working_mb: rounded(pendingWorking, 1),
  }
}

async function openRows(world: World): Promise<number> {
  const { rows } = await world.database.query(
    "select count(*)::int as count from public.attachments where upload_status in ('PENDING', 'UPLOADING')",
  )
  return Number(rows[0]?.count)
}

async function resting(world: World, settings: Readonly<Record<string, string>> = {}): Promise<number> {
  const { program } = await startDaemon(world, CONCURRENCY, settings)
  try {
    await delay(SETTLE_MS)
    const samples: number[] = []
    while (samples.length < SAMPLES) {
      samples.push(residentMb(program.pid).now)
      await delay(1000)
    }
    return median(samples)
  } finally {
    await program.stop()
  }
}

async function working(world: World, work: () => Promise<void>): Promise<number> {
  const { program } = await startDaemon(world, CONCURRENCY)
  try {
    await delay(SETTLE_MS)
    forgetPeak(program.pid)
    await work()
    return residentMb(program.pid).peak
  } finally {
    await program.stop()
  }
}

/** Realtime would have to hear each of them. */
async function fill(world: World, pending: number): Promise<void> {
  const client = await world.database.connect()
  try {
    await client.query('alter publication supabase_realtime drop table public.attachments')
    await fillPending(client, pending, hashes()[0] ?? '')
    await client.query('alter publication supabase_realtime add table public.attachments')
  } finally {
    client.release(true)
  }
}

const MOST_MORE_MB = 30

/** What waits may cost no memory. Like is compared with like: what is being carried costs some, whatever waits. */
export function memoryFaults(memory: MemoryReport): string[] {
  const { pending, empty_mb, pending_down_mb, empty_working_mb, pending_working_mb } = memory
  return [
    ['while WhatsApp is down', pending_down_mb - empty_mb] as const,
    ['at work', pending_working_mb - empty_working_mb] as const,
  ].flatMap(([when, more]) =>
    more > MOST_MORE_MB
      ? [`${more.toFixed(1)} MB more with ${pending} waiting rows than with none, ${when}`]
      : [],
  )
}
