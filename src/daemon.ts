import { createActor, fromPromise } from 'xstate'
import { daemonMachine } from '../machines/daemon.ts'
import { schemaFault } from './database/schema-version.ts'
import { type OpenDoors, openDoors } from './doors.ts'
import { type Intake, startIntake } from './intake/intake.ts'
import type { Log } from './log.ts'
import { postAlert } from './ops/alert-post.ts'
import { type Alerts, startAlerts } from './ops/alerts.ts'
import { OUTSIDE, type Outside } from './outside.ts'
import { openPipeline, type Pipeline } from './pipeline.ts'
import { type Settings, supabaseOf } from './settings.ts'
import type { StateFile } from './state/state-file.ts'
import { VERSION } from './version.ts'

/** A running daemon. */
export interface Daemon {
  readonly worker: string
  /** Resolves when it has drained, within DRAIN_TIMEOUT, and everything is closed. */
  readonly ended: Promise<void>
}

/** How long a settle may take after the drain before the claim is left to its lease. */
const SETTLE_GRACE_MS = 4000

interface Parts {
  state?: StateFile
  pipeline?: Pipeline
  intake?: Intake
  alerts?: Alerts
  /** Opened first and closed last. */
  doors?: Promise<OpenDoors> | undefined
  observer?: OpenDoors['observer']
  drained?: Promise<void> | undefined
}

/**
 * Starts every part in order and resolves when the daemon works, with null when `stop` came first; rejects, with
 * everything closed again, when it cannot. A database that is down is waited for: only settings, the state
 * file and other migrations than it knows can make a start fail.
 */
export async function startDaemon(
  settings: Settings,
  log: Log,
  stop: AbortSignal,
  outside: Outside = OUTSIDE,
): Promise<Daemon | null> {
  const parts: Parts = {}
  const lifecycle = createActor(
    daemonMachine.provide({
      actors: {
        start: fromPromise(async ({ signal }) => {
          const start = outside.startOps
          if (start !== undefined) {
            parts.doors = openDoors({ settings, log, parts, lifecycle: stateOfDaemon, start })
            parts.observer = (await parts.doors).observer
          }
          signal.throwIfAborted()
          openParts(parts, settings, log, outside, paused => {
            lifecycle.send({ type: paused ? 'PAUSE' : 'RESUME' })
            parts.intake?.tell()
          })
        }),
        recover: fromPromise(({ signal }) => recover(parts, log, signal)),
        drain: fromPromise(async () => {
          await parts.intake?.stop()
          parts.drained = parts.pipeline?.dispatcher.drain(settings.DRAIN_TIMEOUT, SETTLE_GRACE_MS)
          await parts.drained
        }),
        close: fromPromise(() => closeParts(parts, log)),
      },
    }),
    { input: { drainTimeoutMs: settings.DRAIN_TIMEOUT } },
  )
  const stateOfDaemon = (): string => String(lifecycle.getSnapshot().value)
  const ended = new Promise<void>(resolve => {
    lifecycle.subscribe({ complete: resolve })
  }).then(() => {
    // A start that fails is told by its error.
    if (lifecycle.getSnapshot().output?.failed === true) return
    log.info({ peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024) }, 'stopped')
  })
  const ready = new Promise<void>(resolve => {
    lifecycle.subscribe(snapshot => {
      if (snapshot.hasTag('ready')) resolve()
    })
  })
  lifecycle.start()
  stop.addEventListener('abort', () => lifecycle.send({ type: 'STOP' }))
  if (stop.aborted) lifecycle.send({ type: 'STOP' })
  await Promise.race([ready, ended])
  const { output } = lifecycle.getSnapshot()
  if (output?.failed === true) throw output.failure
  if (output !== undefined) return null
  parts.intake = listen(parts, settings, log, outside, stateOfDaemon)
  parts.alerts = watchForAlerts(parts, settings, log)
  parts.pipeline?.begin()
  const worker = parts.state?.workerId ?? ''
  log.info({ worker, version: VERSION, concurrency: settings.CONCURRENCY }, 'ready')
  return { worker, ended }
}

function openParts(
  parts: Parts,
  settings: Settings,
  log: Log,
  outside: Outside,
  onPaused: (paused: boolean) => void,
): void {
  const state = outside.openState(settings.STATE_FILE, {
    project: supabaseOf(settings).url,
    warn: warning => log.warn({ code: warning.code }, warning.message),
  })
  parts.state = state
  parts.pipeline = openPipeline({
    settings,
    state,
    log,
    takeWoken: most => parts.intake?.takeWoken(most) ?? [],
    onPaused,
    onClaimed: (asked, given) => {
      parts.intake?.claimed(asked, given)
      parts.observer?.claimed(given.length)
    },
    onFinished: finished => parts.observer?.finished(finished),
    onCircuit: change => {
      parts.alerts?.circuit(change)
      parts.observer?.circuit(change)
      parts.intake?.tell()
    },
    outside,
  })
}

/** With the migrations that it knows: first the claims of an earlier life, then its outbox, and only then new claims. */
async function recover(parts: Parts, log: Log, signal: AbortSignal): Promise<{ paused: boolean }> {
  const { state, pipeline } = parts
  if (state === undefined || pipeline === undefined) throw new Error('recovering before the start')
  const { database, circuits } = pipeline
  const ask = async <T>(question: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await question()
      } catch (error) {
        signal.throwIfAborted()
        circuits.trip('database', pipeline.failureOf(error))
        await circuits.closed('database', signal)
      }
    }
  }
  const fault = schemaFault(await ask(database.schemaVersion))
  if (fault !== undefined) throw fault
  const { released } = await ask(() => database.release(state.workerId))
  if (released.length > 0) log.warn({ attachments: released.length }, 'claims of an earlier life released')
  await ask(pipeline.settleOutbox)
  const { paused } = await ask(() => database.beat(state.workerId, 'recovering', circuits.states(), VERSION))
  return { paused }
}

function listen(
  parts: Parts,
  settings: Settings,
  log: Log,
  outside: Outside,
  lifecycle: () => string,
): Intake {
  const { state, pipeline } = parts
  if (state === undefined || pipeline === undefined) throw new Error('listening before the start')
  const { database, circuits, dispatcher } = pipeline
  return startIntake({
    listen: handlers => outside.listen(supabaseOf(settings), state.workerId, handlers),
    beat: async () => (await database.beat(state.workerId, lifecycle(), circuits.states(), VERSION)).beat,
    attachmentsAfter: async (xid, id, max) => {
      const page = await database.after(xid, id, max)
      parts.observer?.horizon(Number(BigInt(page.next) - BigInt(page.horizon)))
      return page
    },
    cursor: state.cursor,
    onWake: dispatcher.look,
    onSweep: dispatcher.look,
    onState: ({ hearing, cause }) => {
      if (hearing) log.info('Realtime is heard')
      else log.warn({ cause }, 'Realtime is not heard: sweeping every second')
    },
    onDatabaseError: error => circuits.trip('database', pipeline.failureOf(error)),
    log,
    sweepIntervalMs: settings.SWEEP_INTERVAL,
    canaryIntervalMs: settings.CANARY_INTERVAL,
    canaryTimeoutMs: settings.CANARY_TIMEOUT,
  })
}

function watchForAlerts({ state, pipeline }: Parts, settings: Settings, log: Log): Alerts {
  if (state === undefined || pipeline === undefined) throw new Error('watching before the start')
  const { database } = pipeline
  const { workerId } = state
  const url = settings.ALERT_URL
  return startAlerts({
    raise: ({ alert, text, advice }, quietMs) =>
      database.raiseAlert(workerId, alert, { text, advice }, quietMs),
    expiring: database.expiring,
    post: async alert => {
      if (url !== undefined) await postAlert(url, workerId, alert)
    },
    log,
  })
}

async function closeParts(
  { intake, pipeline, state, alerts, doors, drained }: Parts,
  log: Log,
): Promise<void> {
  await intake?.stop()
  await drained
  if (pipeline !== undefined && state !== undefined) await sayGoodbye(pipeline, state.workerId, log)
  await pipeline?.close()
  // Last, since a circuit that opens while all this is closed would start to be watched once more.
  alerts?.stop()
  state?.close()
  // What kept them from opening has been told already.
  await (await doors?.catch(() => undefined))?.close()
}

/** So that nobody who lists the daemons takes this one for running. Not worth waiting for a database that is away. */
async function sayGoodbye({ database, circuits }: Pipeline, worker: string, log: Log): Promise<void> {
  if (circuits.states().database !== 'closed') return
  await database
    .beat(worker, 'stopped', circuits.states(), VERSION)
    .catch(err => log.debug({ err }, 'the last beat was not written'))
}
