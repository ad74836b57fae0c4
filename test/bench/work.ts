import { setTimeout as delay } from 'node:timers/promises'
import { makeWorkerUtils } from 'graphile-worker'
import { PgBoss } from 'pg-boss'
import { type BenchFile, hashes, mediaId } from './mix.ts'
import type { Job } from './systems/copy.ts'
import type { Program, World } from './world.ts'

export type SystemName = 'raw' | 'mediaferry' | 'graphile-worker' | 'pg-boss' | 'cron-sweeper'
export const SYSTEMS: readonly SystemName[] = [
  'raw',
  'mediaferry',
  'graphile-worker',
  'pg-boss',
  'cron-sweeper',
]

/** A measured process at work. */
export interface Measured {
  readonly program: Program
  /** Commits the work, all at once, and resolves with a wait for its end when it is committed. */
  give(files: readonly BenchFile[]): Promise<() => Promise<void>>
}

/** Starts that system with nothing to do; resolves when it waits for work. */
export async function startSystem(
  world: World,
  system: SystemName,
  concurrency: number,
  flags: readonly string[] = [],
): Promise<Measured> {
  if (system === 'mediaferry') return startMediaferry(world, concurrency, flags)
  if (system === 'pg-boss') await withBoss(world, boss => boss.createQueue(QUEUE))
  const environment = {
    BENCH_CONCURRENCY: String(concurrency),
    BENCH_DATABASE_URL: world.peerUrl,
    BENCH_META_URL: world.metaUrl,
    BENCH_PROJECT_URL: world.projectUrl,
  }
  const program = world.start(system, `systems/${system}.ts`, environment, flags)
  await program.says('ready')
  const left = LEFT[system]
  return {
    program,
    give: async files => {
      const jobs = files.map((file): Job => ({ media: mediaId(file, ++serial), key: `bench/${serial}` }))
      if (left === undefined) {
        program.send(jobs)
        return async () => void (await program.says('done'))
      }
      await COMMIT[system]?.(world, jobs)
      return () => untilNone(world, left)
    },
  }
}

let serial = 0
const QUEUE = 'copy'

const UNSETTLED = "select from public.attachments where upload_status in ('PENDING', 'UPLOADING')"

/** Rows that are not done yet; raw has none. */
const LEFT: Readonly<Partial<Record<SystemName, string>>> = {
  'graphile-worker': 'select from graphile_worker._private_jobs',
  'pg-boss': `select from pgboss.job where name = '${QUEUE}' and state < 'completed'`,
  'cron-sweeper': "select from public.bench_sweeper where status = 'pending'",
}

const COMMIT: Readonly<
  Partial<Record<SystemName, (world: World, jobs: readonly Job[]) => Promise<unknown>>>
> = {
  'graphile-worker': async (world, jobs) => {
    const utils = await makeWorkerUtils({ pgPool: world.database })
    await utils.addJobs(jobs.map(payload => ({ identifier: 'copy', payload })))
    await utils.release()
  },
  'pg-boss': (world, jobs) =>
    withBoss(world, boss =>
      boss.insert(
        QUEUE,
        jobs.map(data => ({ data })),
      ),
    ),
  'cron-sweeper': (world, jobs) =>
    world.database.query(
      'insert into public.bench_sweeper (media, key) select * from unnest($1::text[], $2::text[])',
      [jobs.map(({ media }) => media), jobs.map(({ key }) => key)],
    ),
}

async function withBoss<T>(world: World, work: (boss: PgBoss) => Promise<T>): Promise<T> {
  const boss = new PgBoss({ connectionString: world.databaseUrl, supervise: false, schedule: false, max: 2 })
  await boss.start()
  try {
    return await work(boss)
  } finally {
    await boss.stop({ graceful: false })
  }
}

/** Resolves when no attachment is on its way any more. */
export const allSettled = (world: World): Promise<void> => untilNone(world, UNSETTLED)

const POLL_MS = 50

async function untilNone(world: World, left: string): Promise<void> {
  for (;;) {
    const { rows } = await world.database.query(`select exists (${left}) as more`)
    if (rows[0]?.more === false) return
    await delay(POLL_MS)
  }
}

async function startMediaferry(
  world: World,
  concurrency: number,
  flags: readonly string[],
): Promise<Measured> {
  const program = world.startDaemon(daemonSettings(world, concurrency), flags)
  await program.says('ready')
  // Realtime is heard a moment after that.
  await delay(500)
  return {
    program,
    give: async files => {
      await commitAttachments(world, files)
      return () => allSettled(world)
    },
  }
}

let daemons = 0

export function daemonSettings(world: World, concurrency: number): Record<string, string> {
  return {
    SUPABASE_URL: world.projectUrl,
    SUPABASE_SECRET_KEY: world.secretKey,
    WHATSAPP_ACCESS_TOKEN: 'bench',
    WHATSAPP_GRAPH_URL: world.metaUrl,
    WHATSAPP_MEDIA_HOSTS: '127.0.0.1',
    CONCURRENCY: String(concurrency),
    STATE_FILE: `${world.stateFolder}/${++daemons}.sqlite`,
  }
}

const declared = hashes()

/** A row that was committed. */
export interface Committed {
  readonly id: string
  readonly media: string
}

/** Rows as the webhook leaves them, in one transaction. */
export async function commitAttachments(
  world: World,
  files: readonly BenchFile[],
  tag = '',
): Promise<Committed[]> {
  const ids = files.map(file => mediaId(file, `${tag}${++serial}`))
  const { rows } = await world.database.query<Committed>(
    `insert into public.attachments
       (message_id, whatsapp_media_id, kind, declared_mime_type, declared_sha256,
        phone_number_id, sent_at, expires_at, object_prefix)
     select 'wamid.' || media, media, kind, type, sha256, '1', now(), now() + interval '7 days', 'unassigned'
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as given (media, kind, type, sha256)
     returning id::text, whatsapp_media_id as media`,
    [
      ids,
      files.map(({ kind }) => kind),
      files.map(({ mimeType }) => mimeType),
      files.map(({ index }) => declared[index]),
    ],
  )
  return rows
}

/** Leaves nothing of an earlier case in the database, nor dead rows, nor unwritten pages. */
export async function emptyDatabase(world: World): Promise<void> {
  await world.database.query(`
    truncate public.attachments, public.system_events, public.processed_messages, public.leads,
      public.realtime_canary, public.bench_sweeper cascade;
    drop schema if exists graphile_worker cascade;
    drop schema if exists pgboss cascade`)
  await world.database.query('checkpoint')
}
