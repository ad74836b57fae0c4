import { setTimeout as delay } from 'node:timers/promises'
import { sequence } from './mix.ts'
import { quantile, rounded } from './statistics.ts'
import { allSettled, commitAttachments, daemonSettings, emptyDatabase } from './work.ts'
import type { Program, World } from './world.ts'

/** Milliseconds from the moment that Realtime sends a row's event to the first question about it to the Graph API. */
export interface Pickup {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

export interface PickupReport {
  readonly idle: Pickup
  readonly with_backlog: Pickup
  /** Attachments of the backlog a second, without and with new rows between them. */
  readonly backlog_per_s: number
  readonly backlog_per_s_with_new_rows: number
}

const CONCURRENCY = 8
const BACKLOG = 10_000
const EVERY_MS = 100

/** The daemon with the lanes that it has by default, told of one row at a time. */
export async function measurePickup(world: World, seconds: number): Promise<PickupReport> {
  const idle = await withDaemon(world, 0, async daemon => announce(world, daemon, seconds))
  const alone = await withDaemon(world, BACKLOG, async () => backlogSpeed(world, delay(seconds * 1000)))
  const beside = await withDaemon(world, BACKLOG, async daemon => {
    const announced = announce(world, daemon, seconds)
    return { speed: await backlogSpeed(world, announced), pickup: await announced }
  })
  return {
    idle,
    with_backlog: beside.pickup,
    backlog_per_s: rounded(alone, 1),
    backlog_per_s_with_new_rows: rounded(beside.speed, 1),
  }
}

async function withDaemon<T>(
  world: World,
  backlog: number,
  work: (daemon: Program) => Promise<T>,
): Promise<T> {
  await emptyDatabase(world)
  // Before the daemon is there: it hears of none of them, and finds them in the table.
  if (backlog > 0) await commitAttachments(world, sequence('200KB', backlog))
  const daemon = world.startDaemon(daemonSettings(world, CONCURRENCY))
  try {
    await daemon.says('ready')
    // Until Realtime is heard and the first rows have compiled what all others need.
    await delay(2000)
    if (backlog === 0) await warmUp(world)
    return await work(daemon)
  } finally {
    await daemon.stop()
  }
}

async function warmUp(world: World): Promise<void> {
  await commitAttachments(world, sequence('200KB', 300))
  await allSettled(world)
}

/** Commits a row every 100 ms, and waits until each has been asked for. */
async function announce(world: World, daemon: Program, seconds: number): Promise<Pickup> {
  const sent = new Map<string, bigint>()
  const asked = new Map<string, bigint>()
  const stops = [
    world.realtime.onSays(({ sent: id, at }) => {
      if (typeof id === 'string' && !sent.has(id)) sent.set(id, BigInt(String(at)))
    }),
    world.meta.onSays(({ watched, at }) => {
      if (typeof watched === 'string' && !asked.has(watched)) asked.set(watched, BigInt(String(at)))
    }),
  ]
  const rows = []
  for (let left = Math.ceil((seconds * 1000) / EVERY_MS); left > 0; left--) {
    rows.push(...(await commitAttachments(world, sequence('200KB', 1), 'watched')))
    await delay(EVERY_MS)
  }
  const heardOf = (row: { id: string; media: string }) => sent.has(row.id) && asked.has(row.media)
  for (let patience = 100; patience > 0 && !rows.every(heardOf); patience--) await delay(100)
  for (const stop of stops) stop()
  if (!rows.some(heardOf)) throw new Error(`no event was seen; the daemon is process ${daemon.pid}`)
  const waits = rows.map(({ id, media }) => {
    const [from, to] = [sent.get(id), asked.get(media)]
    // One that was asked for before its event was sent had been found in the table. One never asked for counts as that.
    if (to === undefined) return Number.POSITIVE_INFINITY
    return from === undefined ? 0 : Math.max(0, Number(to - from) / 1e6)
  })
  return {
    count: waits.length,
    p50: rounded(quantile(waits, 0.5), 2),
    p99: rounded(quantile(waits, 0.99), 2),
    worst: rounded(Math.max(...waits), 2),
  }
}

/** Settled rows of the backlog a second, until `end`. */
async function backlogSpeed(world: World, end: Promise<unknown>): Promise<number> {
  const settled = async () => {
    const { rows } = await world.database.query(
      `select count(*)::int as count from public.attachments
       where upload_status = 'UPLOADED' and whatsapp_media_id not like '%watched%'`,
    )
    return Number(rows[0]?.count)
  }
  const [before, began] = [await settled(), performance.now()]
  await end
  const [after, seconds] = [await settled(), (performance.now() - began) / 1000]
  return (after - before) / seconds
}
