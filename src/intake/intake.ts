import { createActor, fromPromise } from 'xstate'
import { type NotHearing, type SubscriptionEvent, subscriptionMachine } from '../../machines/subscription.ts'
import type { CursorStore } from '../attachment.ts'
import type { Log } from '../log.ts'
import { createCanary } from './canary.ts'
import { createCatchUp } from './catch-up.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Page } from './cursor.ts'
import { createMisses } from './misses.ts'
import type { RealtimeHandlers, RealtimeLink } from './realtime.ts'
import { createSecondLook } from './second-look.ts'
import { createSweepTimer } from './sweep-timer.ts'
import { createWakeSet } from './wake-set.ts'

export interface IntakeOptions {
  /** The way to Realtime: `createRealtimeLink`. */
  readonly listen: (handlers: RealtimeHandlers) => RealtimeLink
  /** `beat_canary`: resolves with the new beat. */
  readonly beat: () => Promise<number>
  /** `attachments_after`. */
  readonly attachmentsAfter: (xid: string, id: number, max: number) => Promise<Page>
  readonly cursor: CursorStore
  /** `takeWoken` has ids. */
  readonly onWake: () => void
  /** Look for due rows now. */
  readonly onSweep: () => void
  /** Hearing or not, or why not, has changed. */
  readonly onState: (state: IntakeState) => void
  /** The canary or the catch-up could not reach the database. */
  readonly onDatabaseError: (error: unknown) => void
  readonly log: Log
  /** Milliseconds. */
  readonly sweepIntervalMs: number
  readonly canaryIntervalMs: number
  readonly canaryTimeoutMs: number
  readonly clock?: Clock
  readonly random?: () => number
}

export interface IntakeState {
  /** False is degraded, not down: the sweep runs every second then. */
  readonly hearing: boolean
  /** Null while hearing. */
  readonly cause: NotHearing | null
}

export interface IntakeCounts {
  /** Rows that Realtime announced. */
  readonly announced: number
  /** Rows that it should have announced and did not. */
  readonly missed: number
  /** Ids waiting to be claimed. */
  readonly woken: number
}

/** How rows become known: Realtime wakes us, the cursor catches up, the sweep makes sure. */
export interface Intake {
  state(): IntakeState
  counts(): IntakeCounts
  /** Up to `most` woken ids, the newest first; they are forgotten here. */
  takeWoken(most: number): number[]
  /** A claim was answered: which of the woken it had asked for, and which rows it was given, asked for or not. */
  claimed(asked: readonly number[], given: readonly number[]): void
  /** What our row says of this daemon has changed: it is written soon, beside the beats. */
  tell(): void
  /** No wake-up and no sweep after the call. Resolves when everything is closed; may be called twice. */
  stop(): Promise<void>
}

/** Starts to listen and to sweep. Does not wait for anything: what cannot be reached yet is tried again. */
export function startIntake(options: IntakeOptions): Intake {
  const { log, onDatabaseError: onError, clock = systemClock, random = Math.random } = options
  const woken = createWakeSet()
  let announced = 0
  let stopping: Promise<void> | null = null

  const tell = (event: SubscriptionEvent): void => subscription.send(event)

  const link = options.listen({
    onEvent: tell,
    onInsert: id => {
      announced++
      woken.add(id)
      misses.announced(id)
      options.onWake()
    },
    onCanary: beat => canary.seen(beat),
  })

  const subscription = createActor(
    subscriptionMachine.provide({
      actors: { rebuild: fromPromise<void, { whole: boolean }>(async ({ input }) => link.join(input.whole)) },
    }),
    { input: { random }, clock },
  )

  const canary = createCanary({
    beat: options.beat,
    intervalMs: options.canaryIntervalMs,
    timeoutMs: options.canaryTimeoutMs,
    clock,
    onHeard: () => tell({ type: 'CANARY_HEARD' }),
    onLate: () => tell({ type: 'CANARY_LATE' }),
    onNudge: () => {
      sweep.now()
      secondLook.nudged()
    },
    onError,
  })

  const misses = createMisses({
    clock,
    onMissed: ids => log.warn({ missed: ids.length, first: ids[0] }, 'rows were not announced by Realtime'),
    onDeaf: () => tell({ type: 'MISSES' }),
    onLostCount: () => catchUp.run({ confirm: true }),
  })

  const catchUp = createCatchUp({
    attachmentsAfter: options.attachmentsAfter,
    cursor: options.cursor,
    onRows: rows => {
      misses.found(rows)
      const pending = rows.filter(row => row.upload_status === 'PENDING')
      for (const { id } of pending) woken.add(id)
      if (pending.length > 0) options.onWake()
    },
    onConfirmed: nextXid => misses.confirm(nextXid),
    onDropped: reason => log.warn({ reason }, 'the cursor is dropped; the sweep finds what it would have'),
    onError,
  })

  const sweep = createSweepTimer({
    intervalMs: options.sweepIntervalMs,
    clock,
    random,
    onSweep: options.onSweep,
    onInterval: () => catchUp.run(),
  })

  const secondLook = createSecondLook({
    clock,
    onDue: ids => {
      for (const id of ids) woken.add(id)
      if (ids.length > 0) options.onWake()
      else options.onSweep()
    },
  })

  subscription.on('catchUp', () => {
    catchUp.run({ confirm: true })
    sweep.now()
  })
  subscription.on('prove', () => canary.prove())
  subscription.on('sweepNow', () => sweep.now())
  let last: IntakeState = stateOf(subscription.getSnapshot())
  subscription.subscribe(snapshot => {
    // Rows count as missed only from a confirmation on, and that is the catch-up's to give.
    if (!snapshot.hasTag('listening')) misses.confirm(null)
    const state = stateOf(snapshot)
    if (state.hearing === last.hearing && state.cause?.code === last.cause?.code) return
    sweep.setHearing(state.hearing)
    last = state
    options.onState(state)
  })

  subscription.start()
  canary.prove()
  link.join(true)

  return {
    state: () => last,
    counts: () => ({ announced, missed: misses.total, woken: woken.size }),
    takeWoken: most => woken.take(most),
    claimed(asked, given) {
      for (const id of given) woken.forget(id)
      const found = new Set(given)
      secondLook.notGiven(asked.filter(id => !found.has(id)))
    },
    tell: canary.tell,
    stop() {
      stopping ??= stopAll()
      return stopping
    },
  }

  async function stopAll(): Promise<void> {
    subscription.stop()
    sweep.stop()
    misses.stop()
    secondLook.stop()
    await Promise.all([canary.stop(), catchUp.stop(), link.close()])
  }
}

function stateOf(snapshot: {
  readonly context: { readonly cause: NotHearing | null }
  hasTag(tag: 'hearing'): boolean
}): IntakeState {
  return { hearing: snapshot.hasTag('hearing'), cause: snapshot.context.cause }
}
