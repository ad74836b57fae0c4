import { outcomeOf } from '../machines/attachment.ts'
import type { CircuitEmitted } from '../machines/circuit.ts'
import type { Failure } from './attachment.ts'
import type { Database } from './database/database.ts'
import { DatabaseError } from './database/database-error.ts'
import { createEventQueue } from './database/event-queue.ts'
import { attachmentStarter, type FinishedRun } from './dispatch/attachment-run.ts'
import { type Circuits, startCircuits } from './dispatch/circuits.ts'
import { createDispatcher, type Dispatcher } from './dispatch/dispatcher.ts'
import { dueTimer } from './dispatch/due-timer.ts'
import { judge } from './dispatch/judge.ts'
import { laneLimit } from './dispatch/lane-limit.ts'
import { keepLeases } from './dispatch/leases.ts'
import { giveBackOrphans } from './dispatch/orphans.ts'
import { createSettler } from './dispatch/settler.ts'
import { describeError } from './errors.ts'
import type { Log } from './log.ts'
import { OUTSIDE, type Outside } from './outside.ts'
import { reasonFor } from './reasons.ts'
import { type Settings, supabaseOf } from './settings.ts'
import type { StateFile } from './state/state-file.ts'
import { type Transfer, TransferError, failureOf as transferFailureOf, type Usage } from './transfer/index.ts'
import { VERSION } from './version.ts'

/** Everything between a row that is due and a row that is settled, for the daemon and for a single sweep. */
export interface Pipeline {
  readonly database: Database
  readonly circuits: Circuits
  readonly dispatcher: Dispatcher
  readonly storage: Transfer['storage']
  failureOf(error: unknown): Failure
  /** Settles what was uploaded and not settled in an earlier life. Rejects when the database is away. */
  settleOutbox(): Promise<void>
  /** Rows are claimed from now on: what an earlier life left is cleared up. */
  begin(): void
  /** After the dispatcher is idle. */
  close(): Promise<void>
}

export interface PipelineOptions {
  readonly settings: Settings
  readonly state: StateFile
  readonly log: Log
  readonly takeWoken: (most: number) => readonly number[]
  /** Claims no more rows than this in all. */
  readonly limit?: number
  /** The announced ids that a claim asked for, and the ids that it was given. */
  readonly onClaimed?: (asked: readonly number[], given: readonly number[]) => void
  /** An operator has paused the pipeline, or lets it go on; noticed at the next claim. */
  readonly onPaused?: (paused: boolean) => void
  readonly onFinished?: (finished: FinishedRun) => void
  readonly onCircuit?: (change: CircuitEmitted) => void
  readonly outside?: Pick<Outside, 'openDatabase' | 'createTransfer'>
}

export function openPipeline(options: PipelineOptions): Pipeline {
  const { settings, state, log, outside = OUTSIDE } = options
  const worker = state.workerId
  const supabase = supabaseOf(settings)
  const database = outside.openDatabase(supabase)
  const transfer = outside.createTransfer({
    graphUrl: settings.WHATSAPP_GRAPH_URL,
    graphVersion: settings.WHATSAPP_GRAPH_VERSION,
    accessToken: settings.WHATSAPP_ACCESS_TOKEN ?? '',
    mediaHosts: settings.WHATSAPP_MEDIA_HOSTS,
    supabaseUrl: supabase.url,
    supabaseKey: supabase.key,
    bucket: settings.STORAGE_BUCKET,
    maxFileSize: settings.MAX_FILE_SIZE,
    concurrency: settings.CONCURRENCY,
    version: VERSION,
    onUsage,
  })
  /** WhatsApp's probe reads the phone number id of a row, and never the row's media. */
  let phoneNumberId: string | null = null
  let left = options.limit ?? Number.POSITIVE_INFINITY
  let paused = false
  let clearing = false
  let begun = false
  let lanes = settings.CONCURRENCY

  const failureOf = (error: unknown): Failure =>
    error instanceof DatabaseError ? error.failure : transferFailureOf(error)

  const circuits = startCircuits({
    probes: {
      whatsapp: signal => transfer.probes.whatsapp(phoneNumberId, signal),
      storage: signal => transfer.probes.storage(signal),
      database: async () => {
        await database.claim(worker, [], 0, settings.LEASE)
      },
    },
    failureOf,
    onChange: onCircuit,
  })
  const leases = keepLeases({
    leaseMs: settings.LEASE,
    renew: claims => database.renew(worker, claims, settings.LEASE),
    log,
  })
  const settler = createSettler({
    settle: items => database.settle(worker, items),
    explain: error => ({
      failure: failureOf(error),
      badValue: error instanceof DatabaseError && error.data,
    }),
    outbox: state.outbox,
    circuits,
    log,
  })
  const events = createEventQueue(batch => database.record(worker, batch))
  const due = dueTimer(settings.SWEEP_INTERVAL, () => dispatcher.look())
  const dispatcher = createDispatcher({
    concurrency: settings.CONCURRENCY,
    claim: async (ids, max) => {
      const answer = await database.claim(worker, ids, Math.min(max, left), settings.LEASE)
      left -= answer.claims.length
      notePaused(answer.paused)
      return answer
    },
    takeWoken: options.takeWoken,
    onClaimed: (asked, given) => options.onClaimed?.(asked, given),
    start: attachmentStarter({
      resolve: (claim, signal) => withEvidence(claim.id, transfer.resolve(claim, signal)),
      transfer: (claim, media, signal) => withEvidence(claim.id, transfer.copy(claim, media, signal)),
      judge: (claim, failure) => {
        phoneNumberId = claim.phoneNumberId
        return judge(claim, failure, circuits, settings.RETRY_DELAY)
      },
      settle: settler.settle,
      failureOf,
    }),
    onClaimFailed: error => circuits.trip('database', failureOf(error)),
    onFinished: finished => {
      logFinished(log, finished)
      afterSettled(finished)
      options.onFinished?.(finished)
    },
    circuits: {
      firstOpen: () => circuits.firstOpen() ?? (begun && !clearing ? null : 'database'),
      waitMs: circuits.waitMs,
    },
    leases,
    log,
  })

  /** An answer that nobody knows how to read is logged whole, for whoever has to teach it to us. */
  async function withEvidence<T>(attachment: number, work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (error instanceof TransferError && error.evidence !== undefined) {
        log.warn({ attachment, evidence: error.evidence }, 'an answer that is not known')
      }
      throw error
    }
  }

  function onUsage({ callCountPercent }: Usage): void {
    const wanted = laneLimit(settings.CONCURRENCY, callCountPercent)
    if (wanted === lanes) return
    lanes = wanted
    log.warn({ lanes, percent: callCountPercent }, "WhatsApp's allowance decides how many files go at once")
    dispatcher.limitLanes(wanted)
  }

  function notePaused(now: boolean): void {
    if (now === paused) return
    paused = now
    log.warn({ paused }, paused ? 'the pipeline is paused' : 'the pipeline goes on')
    if (paused) dispatcher.giveBackWaiting('pause', 0)
    options.onPaused?.(paused)
  }

  async function settleOutbox(): Promise<void> {
    for (const { entry, answer } of await settler.flushOutbox()) {
      // One that is lost stays where it is: the worker that has the row now may be about to find it there.
      log.info({ attachment: entry.id, answer }, 'settled what was uploaded before')
    }
  }

  /** While it runs nothing new is claimed: a claim whose answer is still on its way would be taken for an orphan. */
  async function afterOutage(): Promise<void> {
    // At the start the recovery goes on by itself, and there a claim without an actor did cost a worker.
    if (!begun) return
    clearing = true
    try {
      await settleOutbox()
      const orphans = await giveBackOrphans({
        held: () => database.held(worker),
        isLive: dispatcher.isLive,
        settle: items => database.settle(worker, items),
      })
      if (orphans > 0) log.info({ attachments: orphans }, 'claims given back after an outage')
    } catch (error) {
      circuits.trip('database', failureOf(error))
    } finally {
      clearing = false
    }
    dispatcher.look()
  }

  function removeUnused(attachment: number, removal: Promise<void>): void {
    removal.catch(err => log.warn({ err, attachment }, 'an unused object could not be removed'))
  }

  function onCircuit(change: CircuitEmitted): void {
    if (change.type === 'opened') {
      const { type: _type, ...detail } = change
      log.error(detail, 'circuit opened')
      dispatcher.giveBackWaiting(change.dependency, change.probeInMs)
    } else {
      log.info({ dependency: change.dependency, code: change.code, probes: change.probes }, 'circuit closed')
      if (change.dependency === 'database') void afterOutage()
      else dispatcher.look()
    }
    options.onCircuit?.(change)
    const { type, ...detail } = change
    void events.tell({ attachmentId: null, event: `circuit_${type}`, detail })
  }

  /** Whoever is told `lost` removes its own object and no other; a winner removes what earlier claims left. */
  function afterSettled({ claim, output }: FinishedRun): void {
    if (output.lost) return
    const { settlement, answer } = output
    if (settlement.outcome === 'interrupted' || settlement.outcome === 'retry') due.in(settlement.retryInMs)
    if (settlement.outcome !== 'uploaded') return
    if (answer === 'lost') removeUnused(claim.id, transfer.discard(claim.bucket, settlement.objectKey))
    else if (claim.claimToken > 1) removeUnused(claim.id, transfer.discardEarlier(claim))
  }

  return {
    database,
    circuits,
    dispatcher,
    storage: transfer.storage,
    failureOf,
    settleOutbox,
    begin: () => {
      begun = true
      dispatcher.look()
    },
    close: async () => {
      due.stop()
      leases.stop()
      circuits.stop()
      await transfer.close()
      await database.close()
    },
  }
}

/** One line for each settled attachment. */
function logFinished(log: Log, { claim, output, waitMs, laneMs }: FinishedRun): void {
  const about = { attachment: claim.id, claim_token: claim.claimToken, wait_ms: waitMs, transfer_ms: laneMs }
  if (output.lost) {
    log.warn(
      { ...about, outcome: 'lost', reason: output.failure?.message ?? 'the claim is no longer ours' },
      'released',
    )
    return
  }
  const { settlement, answer } = output
  const attempt = claim.uploadAttempts + (settlement.outcome === 'interrupted' ? 0 : 1)
  if (settlement.outcome === 'uploaded') {
    const { sizeBytes: bytes, verified } = settlement
    log.info({ ...about, attempt, outcome: 'uploaded', answer, bytes, verified }, 'settled')
    return
  }
  const { code, message } = settlement
  const outcome = outcomeOf(settlement, claim)
  const reason = outcome === 'failed' ? reasonFor(code) : undefined
  const advice = reason === undefined ? {} : { advice: reason.advice }
  log.warn({ ...about, attempt, outcome, answer, code, reason: describeError(message), ...advice }, 'settled')
}
