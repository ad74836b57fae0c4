import type { BenchFile, MixName } from './mix.ts'
import { sequence } from './mix.ts'
import { cpuMs, residentMb } from './usage.ts'
import { emptyDatabase, type SystemName, startSystem } from './work.ts'
import type { World } from './world.ts'

export interface Case {
  readonly system: SystemName
  readonly mix: MixName
  readonly concurrency: number
  /** How many attachments; the same for all systems, so that all carry the same bytes. */
  readonly count: number
}

export interface Result {
  /** Attachments a second. */
  readonly perS: number
  /** MB (2^20 bytes) a second. */
  readonly mbS: number
  /** CPU time of the measured process alone, for each attachment. */
  readonly cpuMsEach: number
  /** Statements that it had the database carry out, for each attachment. */
  readonly dbCallsEach: number
  readonly peakRssMb: number
}

/** So many plain pictures first: what is compiled and connected by then is not what is measured. */
const WARM_UP = 1000

/** One case: a fresh process, a fresh database, warmed up, and then from the commit of its work to its end. */
export async function measure(
  world: World,
  { system, mix, concurrency, count }: Case,
  flags: readonly string[] = [],
): Promise<Result> {
  await emptyDatabase(world)
  const { program, give } = await startSystem(world, system, concurrency, flags)
  try {
    await (await give(sequence('200KB', WARM_UP)))()
    const files = sequence(mix, count)
    const callsBefore = await databaseCalls(world)
    const cpuBefore = cpuMs(program.pid)
    const done = await give(files)
    const began = performance.now()
    await done()
    const seconds = (performance.now() - began) / 1000
    const cpu = cpuMs(program.pid) - cpuBefore
    const calls = (await databaseCalls(world)) - callsBefore
    return {
      perS: count / seconds,
      mbS: megabytes(files) / seconds,
      cpuMsEach: cpu / count,
      dbCallsEach: calls / count,
      peakRssMb: residentMb(program.pid).peak,
    }
  } finally {
    await program.stop()
  }
}

export const megabytes = (files: readonly BenchFile[]): number =>
  files.reduce((sum, { size }) => sum + size, 0) / 2 ** 20

/** Of everybody but ourselves, the Realtime server and maintenance: those are the superuser `postgres`. */
export async function databaseCalls(world: World): Promise<number> {
  const { rows } = await world.database.query(
    "select coalesce(sum(calls), 0)::int as calls from pg_stat_statements where userid <> 'postgres'::regrole",
  )
  return rows[0]?.calls ?? 0
}
