import { pino } from 'pino'
import { outcomeOf } from '../../machines/attachment.ts'
import { schemaFault } from '../database/schema-version.ts'
import { createLog } from '../log.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { environment, readSettings, type Settings } from '../settings.ts'
import { openTemporaryState } from '../state/state-file.ts'
import { asTyped } from './called.ts'
import { stopSignal } from './stop-signal.ts'

const CLOSE_GRACE_MS = 5000

/**
 * `mediaferry sweep`: a short-lived worker with a state of its own, so that cron can run it beside a daemon.
 * Answers the exit code: 0 when all that was due is uploaded.
 */
export async function sweep(options: { limit: number; verbose?: true }): Promise<number> {
  const settings = readSettings(environment(), ['supabase', 'token'])
  const stopped = stopSignal()
  const { counts, hindrance, notDue } = await sweepOnce(
    settings,
    options.limit,
    options.verbose === true,
    stopped,
  )
  const told = Object.entries(counts).filter(([, count]) => count > 0)
  const done = told.length > 0 ? told.map(([name, count]) => `${count} ${name}`).join(', ') : null
  const skipped = notDue > 0 ? `; ${notDue} skipped, tried less than RETRY_DELAY ago` : ''
  const what = [done, hindrance].filter(text => text !== null).join('; ') || 'nothing is due'
  process.stdout.write(`${what}${skipped}\n`)
  return hindrance === null && counts.uploaded === sum(Object.values(counts)) ? 0 : 1
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

interface Sweep {
  readonly counts: SweepCounts
  /** Why nothing more could be done. */
  readonly hindrance: string | null
  /** Attachments that were tried lately by somebody else, and wait for their next attempt. */
  readonly notDue: number
}

interface SweepCounts {
  uploaded: number
  retry: number
  failed: number
  interrupted: number
  lost: number
}

async function sweepOnce(
  settings: Settings,
  limit: number,
  verbose: boolean,
  stopped: Promise<string>,
): Promise<Sweep> {
  // The log goes to standard error, so that cron's mail and a pipe get the one line of the outcome by itself.
  const log = createLog(verbose ? settings.LOG_LEVEL : 'error', pino.destination(2))
  const warn = (warning: { code: string; message: string }) => log.warn(warning, 'state file')
  const state = openTemporaryState({ project: settings.SUPABASE_URL ?? '', warn })
  const counts: SweepCounts = { uploaded: 0, retry: 0, failed: 0, interrupted: 0, lost: 0 }
  let held = 0
  let hindrance: string | null = null
  let done = (): void => undefined
  const nothingLeft = new Promise<void>(resolve => {
    done = resolve
  })
  const pipeline: Pipeline = openPipeline({
    settings,
    state,
    log,
    limit,
    takeWoken: () => [],
    onClaimed: (_, given) => {
      held += given.length
      if (given.length === 0 && held === 0) done()
    },
    onFinished: ({ claim, output }) => {
      counts[output.lost ? 'lost' : outcomeOf(output.settlement, claim)]++
      held--
      if (held > 0) return
      if (pipeline.circuits.firstOpen() === null) pipeline.dispatcher.look()
      else done()
    },
    onPaused: paused => {
      if (paused) hindrance = asTyped('the pipeline is paused, `mediaferry resume` lets it go on')
    },
    // Cron comes again; a sweep does not wait for an outage to end.
    onCircuit: change => {
      hindrance = null
      if (change.type === 'opened')
        hindrance = `${change.dependency} is down: ${change.message} ${change.advice}`
      if (held === 0) done()
    },
  })
  try {
    const version = await pipeline.database
      .schemaVersion()
      .catch(error => pipeline.circuits.trip('database', pipeline.failureOf(error)))
    const fault = version === undefined ? undefined : schemaFault(version)
    if (fault !== undefined) throw fault
    pipeline.begin()
    await Promise.race([nothingLeft, stopped])
    await pipeline.dispatcher.drain(settings.DRAIN_TIMEOUT, CLOSE_GRACE_MS)
    return { counts, hindrance, notDue: hindrance === null ? await notDueYet(pipeline, counts) : 0 }
  } finally {
    await pipeline.close()
    state.close()
  }
}

/** pipeline_summary() counts no further than this. */
const MANY = 10_000

async function notDueYet({ database }: Pipeline, { retry, interrupted }: SweepCounts): Promise<number> {
  try {
    const { counts, due } = await database.summary()
    return due >= MANY ? 0 : Math.max(0, counts.PENDING - due - retry - interrupted)
  } catch {
    // Only what is told besides: what this sweep did is settled.
    return 0
  }
}
