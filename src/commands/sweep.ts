import { createLog } from '../log.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { environment, readSettings, type Settings } from '../settings.ts'
import { openTemporaryState } from '../state/state-file.ts'
import { stopSignal } from './stop-signal.ts'

const CLOSE_GRACE_MS = 5000

/**
 * `mediaferry sweep`: a short-lived worker with a state of its own, so that cron can run it beside a daemon.
 * Answers the exit code: 0 when all that was due is uploaded.
 */
export async function sweep(options: { limit: number; verbose?: true }): Promise<number> {
  const settings = readSettings(environment(), ['supabase', 'token'])
  const stopped = stopSignal()
  const counts = await sweepOnce(settings, options.limit, options.verbose === true, stopped)
  const told = Object.entries(counts).filter(([, count]) => count > 0)
  const text =
    told.length === 0 ? 'nothing is due' : told.map(([name, count]) => `${count} ${name}`).join(', ')
  process.stdout.write(`${text}\n`)
  return counts.failed + counts.retry + counts.interrupted + counts.lost === 0 ? 0 : 1
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
): Promise<SweepCounts> {
  const log = createLog(verbose ? settings.LOG_LEVEL : 'error')
  const warn = (warning: { code: string; message: string }) => log.warn(warning, 'state file')
  const state = openTemporaryState({ project: settings.SUPABASE_URL ?? '', warn })
  const counts: SweepCounts = { uploaded: 0, retry: 0, failed: 0, interrupted: 0, lost: 0 }
  let held = 0
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
    onClaimed: count => {
      held += count
      if (count === 0 && held === 0) done()
    },
    onFinished: ({ output }) => {
      counts[output.lost ? 'lost' : output.settlement.outcome]++
      held--
      if (held > 0) return
      if (pipeline.circuits.firstOpen() === null) pipeline.dispatcher.look()
      else done()
    },
    // Cron comes again; a sweep does not wait for an outage to end.
    onCircuit: () => {
      if (held === 0) done()
    },
  })
  pipeline.dispatcher.look()
  await Promise.race([nothingLeft, stopped])
  await pipeline.dispatcher.drain(settings.DRAIN_TIMEOUT, CLOSE_GRACE_MS)
  await pipeline.close()
  state.close()
  return counts
}
