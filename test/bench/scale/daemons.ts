import { sequence } from '../mix.ts'
import { rounded } from '../statistics.ts'
import { allSettled, commitAttachments, emptyDatabase } from '../work.ts'
import type { World } from '../world.ts'
import { type ScaleDaemon, startDaemon, untilHearing } from './daemon.ts'

/** So many daemons on one database, all on this machine: its cores are theirs together. */
export interface DaemonsReport {
  readonly daemons: number
  readonly attachments: number
  /** Claimed, carried and settled. */
  readonly per_s: number
  readonly claim_calls_per_s: number
  readonly settle_calls_per_s: number
  /** Rows that a claim brought, of those that brought any. */
  readonly rows_per_claim: number
  /** Of the calls for claims: those that brought nothing. */
  readonly empty_claims: number
  /** The fewest and the most that one daemon carried. */
  readonly least: number
  readonly most: number
  /** Rows with another token than 1, or without an object of their own: carried more than once, or not at all. */
  readonly not_once: number
}

const COUNTS = [1, 2, 4, 8]
const CONCURRENCY = 8
const ATTACHMENTS = 6000
const WARM_UP = 200

export async function measureDaemons(world: World, say: (text: string) => void): Promise<DaemonsReport[]> {
  const reports: DaemonsReport[] = []
  for (const count of COUNTS) {
    await emptyDatabase(world)
    const daemons: ScaleDaemon[] = []
    try {
      for (let n = 0; n < count; n++) daemons.push(await startDaemon(world, CONCURRENCY))
      reports.push(await together(world, daemons))
      say(`${count} daemons: ${reports.at(-1)?.per_s}/s`)
    } finally {
      await Promise.all(daemons.map(({ program }) => program.stop()))
    }
  }
  return reports
}

async function together(world: World, daemons: readonly ScaleDaemon[]): Promise<DaemonsReport> {
  await Promise.all(daemons.map(untilHearing))
  await commitAttachments(world, sequence('200KB', WARM_UP))
  await allSettled(world)
  const before = await Promise.all(daemons.map(countsOf))
  const settlesBefore = await settleCalls(world)
  await commitAttachments(world, sequence('200KB', ATTACHMENTS))
  const began = performance.now()
  await allSettled(world)
  const seconds = (performance.now() - began) / 1000
  const after = await Promise.all(daemons.map(countsOf))
  const settles = (await settleCalls(world)) - settlesBefore
  const done = after.map((counts, at) => ({
    calls: counts.calls - (before[at]?.calls ?? 0),
    empty: counts.empty - (before[at]?.empty ?? 0),
    rows: counts.rows - (before[at]?.rows ?? 0),
  }))
  const sum = (of: 'calls' | 'empty' | 'rows') => done.reduce((total, counts) => total + counts[of], 0)
  return {
    daemons: daemons.length,
    attachments: ATTACHMENTS,
    per_s: rounded(ATTACHMENTS / seconds, 1),
    claim_calls_per_s: rounded(sum('calls') / seconds, 1),
    settle_calls_per_s: rounded(settles / seconds, 1),
    rows_per_claim: rounded(sum('rows') / (sum('calls') - sum('empty')), 1),
    empty_claims: rounded(sum('empty') / sum('calls'), 3),
    least: Math.min(...done.map(({ rows }) => rows)),
    most: Math.max(...done.map(({ rows }) => rows)),
    not_once: await notOnce(world),
  }
}

async function countsOf(daemon: ScaleDaemon) {
  const sample = await daemon.metrics()
  return {
    calls: sample('mediaferry_claim_rows_count'),
    empty: sample('mediaferry_claim_rows_bucket{le="0"}'),
    rows: sample('mediaferry_claim_rows_sum'),
  }
}

async function settleCalls(world: World): Promise<number> {
  const { rows } = await world.database.query(
    `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements
     where toplevel and query like 'select public."settle_attachments"%'`,
  )
  return rows[0]?.calls
}

/** Compares the rows with the objects that Storage was given, by their keys. */
async function notOnce(world: World): Promise<number> {
  const { rows } = await world.database.query<{ id: string; once: boolean; object_key: string }>(
    `select id, upload_status = 'UPLOADED' and claim_token = 1 as once, object_key from public.attachments`,
  )
  const answer = await fetch(`${world.projectUrl}/storage/v1/object/list/attachments`, {
    method: 'POST',
    body: JSON.stringify({ prefix: 'unassigned' }),
  })
  const listed: { name: string }[] = JSON.parse(await answer.text())
  const objects = new Map<string, number>()
  for (const { name } of listed) {
    const [id = ''] = name.split('-')
    objects.set(id, (objects.get(id) ?? 0) + 1)
  }
  return rows.filter(({ id, once }) => !once || objects.get(id) !== 1).length
}

export function daemonsFaults(reports: readonly DaemonsReport[]): string[] {
  return reports
    .filter(({ not_once }) => not_once > 0)
    .map(
      ({ daemons, not_once }) =>
        `${not_once} attachments were not carried exactly once by ${daemons} daemons`,
    )
}
