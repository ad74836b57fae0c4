import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { FILES, sequence } from './mix.ts'
import { positive } from './options.ts'
import { commit, machine } from './report.ts'
import { rounded, slope } from './statistics.ts'
import { forgetPeak, residentMb } from './usage.ts'
import { commitAttachments, daemonSettings, emptyDatabase, startSystem } from './work.ts'
import { startWorld, type World } from './world.ts'

/**
 * `npm run bench:memory [-- --minutes 10 --json]`: the daemon's resident memory, idle, with eight documents of 100 MB
 * at once, and over minutes of the mixed set, whose second half is fitted with a line. Eight lanes, as by default.
 */
const CONCURRENCY = 8
const DOCUMENTS = 8
/** For the fit: of each second the peak, since what a collection leaves behind depends on the moment. */
const SAMPLE_MS = 1000
const BATCH = 200

interface MemoryReport {
  readonly idle_mb: number
  readonly documents_peak_mb: number
  readonly mixed_peak_mb: number
  readonly mixed_attachments: number
  /** Of the second half, in MB a minute. */
  readonly growth_mb_per_minute: number
}

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, json: { type: 'boolean', default: false } },
})
const minutes = positive('--minutes', values.minutes)
const world = await startWorld()
try {
  const documents = await measureDocuments(world)
  const mixed = await measureMixed(world, minutes)
  const report: MemoryReport = { ...documents, ...mixed }
  process.stdout.write(
    [
      `idle                              ${report.idle_mb} MB`,
      `${DOCUMENTS} documents of 100 MB at once    ${report.documents_peak_mb} MB at the most (${rounded(report.documents_peak_mb - report.idle_mb, 1)} more)`,
      `the mixed set for ${minutes} min         ${report.mixed_peak_mb} MB at the most, ${report.mixed_attachments} files`,
      `growth in the second half         ${report.growth_mb_per_minute} MB a minute`,
      `${machine()}; commit ${commit()}.`,
      '',
    ].join('\n'),
  )
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ machine: machine(), commit: commit(), ...report })}\n`)
  }
} finally {
  await world.stop()
}

async function measureDocuments(on: World) {
  await emptyDatabase(on)
  const { program, give } = await startSystem(on, 'mediaferry', CONCURRENCY)
  try {
    await delay(5000)
    const { now: idle } = residentMb(program.pid)
    forgetPeak(program.pid)
    const document = FILES.filter(({ kind }) => kind === 'document')
    await (await give(Array.from({ length: DOCUMENTS }, () => document).flat()))()
    return { idle_mb: rounded(idle, 1), documents_peak_mb: rounded(residentMb(program.pid).peak, 1) }
  } finally {
    await program.stop()
  }
}

async function measureMixed(on: World, length: number) {
  await emptyDatabase(on)
  const daemon = on.startDaemon(daemonSettings(on, CONCURRENCY))
  try {
    await daemon.says('ready')
    const samples: { x: number; y: number }[] = []
    const began = performance.now()
    let given = 0
    while (performance.now() - began < length * 60_000) {
      if ((await waiting(on)) < BATCH / 2)
        given += (await commitAttachments(on, sequence('mixed', BATCH))).length
      forgetPeak(daemon.pid)
      await delay(SAMPLE_MS)
      samples.push({ x: (performance.now() - began) / 60_000, y: residentMb(daemon.pid).peak })
    }
    return {
      mixed_peak_mb: rounded(Math.max(...samples.map(({ y }) => y)), 1),
      mixed_attachments: given - (await waiting(on)),
      growth_mb_per_minute: rounded(slope(samples.slice(Math.floor(samples.length / 2))), 2),
    }
  } finally {
    await daemon.stop()
  }
}

async function waiting(on: World): Promise<number> {
  const { rows } = await on.database.query(
    "select count(*)::int as count from public.attachments where upload_status in ('PENDING', 'UPLOADING')",
  )
  return Number(rows[0]?.count)
}
