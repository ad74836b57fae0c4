import PQueue from 'p-queue'
import type { InterruptReason } from '../../machines/attachment.ts'
import type { Claim } from '../attachment.ts'
import type { Log } from '../log.ts'
import type { AttachmentRun, FinishedRun, StartAttachment } from './attachment-run.ts'
import type { Circuits } from './circuits.ts'
import type { Leases } from './leases.ts'

export interface DispatcherOptions {
  readonly concurrency: number
  readonly claim: (ids: readonly number[], max: number) => Promise<ClaimAnswer>
  /** Ids that were announced and not asked for yet; those given out are forgotten. */
  readonly takeWoken: (most: number) => readonly number[]
  /** A claim was answered: the announced ids that it asked for, and the ids that it was given. */
  readonly onClaimed: (asked: readonly number[], given: readonly number[]) => void
  readonly start: StartAttachment
  /** Told when a claim failed; opens the circuit. */
  readonly onClaimFailed: (error: unknown) => void
  readonly onFinished: (finished: FinishedRun) => void
  readonly circuits: Pick<Circuits, 'firstOpen' | 'waitMs'>
  readonly leases: Leases
  readonly log: Log
  /** Milliseconds on a clock that nobody can set. */
  readonly now?: () => number
}

export interface ClaimAnswer {
  readonly paused: boolean
  readonly claims: readonly Claim[]
  readonly workerLost: readonly number[]
}

/**
 * Who works on what. Claims as many rows as lanes are free, and ahead of them as their speed asks for; gives each
 * claim an actor of its own; runs at most `concurrency` of them at once.
 */
export interface Dispatcher {
  /** Something may be due: a wake-up, a sweep, a circuit that closed. Cheap, and never two claims at once. */
  look(): void
  counts(): DispatcherCounts
  /** How many live attachments are in each state of their machine. */
  states(): Readonly<Record<string, number>>
  /** How many lanes may be busy. */
  laneLimit(): number
  /** How many lanes may be busy from now on; what is in one already stays. */
  limitLanes(lanes: number): void
  /** Whether that claim is worked on or being settled here. */
  isLive(claim: { readonly id: number; readonly claimToken: number }): boolean
  /** Gives back the claims that no lane has begun with: a dependency is down, or an operator paused. */
  giveBackWaiting(reason: InterruptReason, retryInMs: number): void
  /**
   * No more claims; lanes may finish what they can within the time, the rest is interrupted. Settles when every
   * claim is settled, or given up `graceMs` later because the database does not answer.
   */
  drain(timeoutMs: number, graceMs: number): Promise<void>
}

export interface DispatcherCounts {
  /** Claimed and not through with their lane yet: waiting for one, or in one. */
  readonly claimed: number
  readonly inLanes: number
  /** All claims held, also those that are only waiting for the database's answer. */
  readonly live: number
  readonly paused: boolean
}

/** From here on claim_attachments gives a row out alone and after a pause: it may be what ends its workers. */
const SUSPICIOUS_LOST_LEASES = 2

const isSuspect = ({ lostLeases }: Claim): boolean => lostLeases >= SUSPICIOUS_LOST_LEASES

/** The Data API's functions take no more. */
const LARGEST_CLAIM = 500

/**
 * At speed a claim brings what lanes come to the end of in this time: one lane of 600 files a second then makes 0.06
 * calls a file, and not one for every two. At the least it brings as many as there are lanes, also of large files, of
 * which few end in that time; at the most sixteen times as many, since another daemon may be idle.
 */
const CLAIM_EVERY_MS = 100

/** Claims that may wait for the database's answer while lanes go on, at 5 KB each. */
const MOST_UNSETTLED = 1000

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { concurrency, circuits, leases, log, now = () => performance.now() } = options
  const lanes = new PQueue({ concurrency })
  const live = new Set<AttachmentRun>()
  let claimed = 0
  /** Claims that lanes have begun with since then, and how many a millisecond it was before. */
  let begun = 0
  let countedFrom = now()
  let perMs = 0
  /** How long the last claim took, in milliseconds. */
  let claimMs = 0
  /** A suspect is here, and nothing else is claimed before it is through. */
  let alone = false
  let claiming = false
  let lookAgain = false
  let draining = false
  let paused = false
  let drained: Promise<void> | undefined
  let tellIdle: (() => void) | undefined

  /**
   * How many rows may be claimed now, or 0 when that is fewer than a claim should bring. Claimed beyond the lanes is what
   * a claim brings, and what lanes come to the end of while it is under way: asked for later, it would find them empty.
   */
  function room(): number {
    notePace()
    const fewest = Math.min(LARGEST_CLAIM, Math.max(2, concurrency))
    const perClaim = Math.max(
      fewest,
      Math.min(16 * fewest, LARGEST_CLAIM, Math.round(perMs * CLAIM_EVERY_MS)),
    )
    const ahead = Math.min(perClaim, Math.round(perMs * claimMs))
    const left = concurrency + perClaim + ahead - Math.max(claimed, live.size - MOST_UNSETTLED)
    return left < perClaim ? 0 : Math.min(left, LARGEST_CLAIM)
  }

  /** Of the time since the last look at it, so that it falls when lanes grow slow, and after a pause. */
  function notePace(): void {
    const passed = now() - countedFrom
    if (passed < CLAIM_EVERY_MS) return
    perMs = begun / passed
    begun = 0
    countedFrom += passed
  }

  function look(): void {
    lookAgain = true
    if (draining || claiming || alone) return
    const max = room()
    if (max === 0 || circuits.firstOpen() !== null) return
    lookAgain = false
    void claimSome(max)
  }

  async function claimSome(max: number): Promise<void> {
    claiming = true
    const sentAt = now()
    try {
      // A claim takes half of its rows from those just announced; more ids would only be forgotten.
      const asked = options.takeWoken(Math.ceil(max / 2))
      const answer = await options.claim(asked, max)
      options.onClaimed(
        asked,
        answer.claims.map(({ id }) => id),
      )
      paused = answer.paused
      claimMs = now() - sentAt
      for (const id of answer.workerLost) log.error({ attachment: id, code: 'worker_lost' }, 'failed')
      for (const claim of answer.claims) take(claim, sentAt)
      // A full answer means that more is due; any other ends it until the next wake-up or sweep.
      if (answer.claims.length >= max) lookAgain = true
    } catch (error) {
      options.onClaimFailed(error)
    } finally {
      claiming = false
      if (lookAgain) look()
      tellWhenIdle()
    }
  }

  function tellWhenIdle(): void {
    if (live.size === 0 && !claiming) tellIdle?.()
  }

  function take(claim: Claim, sentAt: number): void {
    const run = options.start(claim)
    live.add(run)
    claimed++
    leases.hold(claim, sentAt, run)
    void run.done.then(finished => finish(run, finished))
    // What came while the claim was under way: it is given back before a lane can begin with it.
    const down = circuits.firstOpen()
    if (draining) run.interrupt('drain', 0)
    else if (down !== null) run.interrupt(down, circuits.waitMs(down))
    if (isSuspect(claim)) void runAlone(run)
    else void runInLane(run)
  }

  async function runInLane(run: AttachmentRun): Promise<void> {
    await lanes.add(() => {
      if (run.state() === 'waiting') begun++
      return run.runInLane()
    })
    claimed--
    if (lookAgain) look()
  }

  /** Should it end this process too, nobody else's lease may be lost with it: whatever is held here is let go first. */
  async function runAlone(run: AttachmentRun): Promise<void> {
    alone = true
    const others = [...live].filter(other => other !== run)
    for (const other of others) other.interruptIfWaiting('isolation', 0)
    await Promise.race([run.done, Promise.all(others.map(other => other.done))])
    await lanes.add(run.runInLane)
    alone = false
    claimed--
    // Nothing else that is due came with it.
    look()
  }

  function finish(run: AttachmentRun, finished: FinishedRun): void {
    leases.drop(run.claim)
    live.delete(run)
    options.onFinished(finished)
    if (lookAgain) look()
    tellWhenIdle()
  }

  async function drain(timeoutMs: number, graceMs: number): Promise<void> {
    draining = true
    for (const run of live) run.interruptIfWaiting('drain', 0)
    const idle = new Promise<void>(resolve => {
      tellIdle = resolve
    })
    const interruptRest = setTimeout(() => {
      for (const run of live) run.interrupt('drain', 0)
    }, timeoutMs)
    const giveUp = setTimeout(() => tellIdle?.(), timeoutMs + graceMs)
    tellWhenIdle()
    await idle
    clearTimeout(interruptRest)
    clearTimeout(giveUp)
  }

  function states(): Record<string, number> {
    const found: Record<string, number> = {}
    for (const run of live) {
      const state = run.state()
      found[state] = (found[state] ?? 0) + 1
    }
    return found
  }

  return {
    look,
    states,
    isLive: ({ id, claimToken }) =>
      [...live].some(({ claim }) => claim.id === id && claim.claimToken === claimToken),
    counts: () => ({ claimed, inLanes: lanes.pending, live: live.size, paused }),
    laneLimit: () => lanes.concurrency,
    limitLanes: wanted => {
      lanes.concurrency = wanted
    },
    giveBackWaiting: (reason, retryInMs) => {
      for (const run of live) run.interruptIfWaiting(reason, retryInMs)
    },
    drain: (timeoutMs, graceMs) => {
      drained ??= drain(timeoutMs, graceMs)
      return drained
    },
  }
}
