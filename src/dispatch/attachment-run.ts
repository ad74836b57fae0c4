import { createActor } from 'xstate'
import {
  type AttachmentContext,
  type AttachmentEvent,
  type AttachmentOutput,
  type AttachmentSnapshot,
  attachmentMachine,
  type InterruptReason,
  waiting,
} from '../../machines/attachment.ts'
import type { Claim, Failure, ResolvedMedia, SettleAnswer, Settlement, StoredObject } from '../attachment.ts'

/** What an attachment's actor has done for it. All but `failureOf` may reject with what that understands. */
export interface AttachmentWork {
  resolve(claim: Claim, signal: AbortSignal): Promise<ResolvedMedia>
  transfer(claim: Claim, media: ResolvedMedia, signal: AbortSignal): Promise<StoredObject>
  judge(claim: Claim, failure: Failure): Promise<Settlement>
  settle(claim: Claim, settlement: Settlement, signal: AbortSignal): Promise<SettleAnswer>
  failureOf(error: unknown): Failure
}

export interface FinishedRun {
  readonly claim: Claim
  readonly output: AttachmentOutput
  /** Milliseconds from being due to having a lane; both clocks take part, so a skew shows up here. */
  readonly waitMs: number
  /** Milliseconds in the lane. */
  readonly laneMs: number
}

/** One claim's actor, made when it is claimed and gone when it is settled. */
export interface AttachmentRun {
  readonly claim: Claim
  /** The state of its machine, without the states around it. */
  state(): string
  /** Begins the work; settles when the lane is free again, which is before the database has answered. */
  runInLane(): Promise<void>
  loseLease(): void
  /** The database is being told how it ended. */
  settling(): boolean
  interrupt(reason: InterruptReason, retryInMs: number): void
  /** Gives the claim back only if no lane has begun with it. */
  interruptIfWaiting(reason: InterruptReason, retryInMs: number): void
  readonly done: Promise<FinishedRun>
}

export type StartAttachment = (claim: Claim) => AttachmentRun

/** A root actor for each claim: 25 µs of CPU time and 62 KB from its start to its end, when nothing else is done. */
export const attachmentStarter =
  (work: AttachmentWork): StartAttachment =>
  claim =>
    startRun(work, claim)

function startRun(work: AttachmentWork, claim: Claim): AttachmentRun {
  const actor = createActor(attachmentMachine, { input: { claim }, snapshot: waiting(claim) })
  let state = 'waiting'
  /** The work of that state. */
  let underWay: AbortController | undefined
  /** That of the work before, which came to its end by itself: three of four need not be made (1 µs each). */
  let spare: AbortController | undefined
  let startedAt = 0
  let laneMs = 0
  let leaveLane: (() => void) | undefined
  let finish: (output: AttachmentOutput) => void = () => undefined
  const done = new Promise<FinishedRun>(resolve => {
    finish = output => {
      freeLane()
      const waitMs = startedAt === 0 ? 0 : Math.max(0, startedAt - Date.parse(claim.dueAt))
      resolve({ claim, output, waitMs, laneMs })
    }
  })

  function freeLane(): void {
    if (leaveLane === undefined) return
    laneMs = Math.max(0, Date.now() - startedAt)
    leaveLane()
    leaveLane = undefined
  }

  /** Follows what the event changed. Only here is anything sent, so nobody has to subscribe to the snapshots. */
  function send(event: AttachmentEvent): void {
    actor.send(event)
    const { value, context, output } = actor.getSnapshot()
    const now = innermost(value)
    if (now === state) return
    state = now
    const left = underWay
    underWay = undefined
    if (!IN_LANE.has(now)) freeLane()
    if (output !== undefined) finish(output)
    const begin = WORK[now]
    if (begin !== undefined) carryOut(begin, context, event).catch(breakOff)
    // Last: should this make another event come at once, it finds the new state as it will stay.
    left?.abort()
  }

  async function carryOut(begin: Begin, context: AttachmentContext, cause: AttachmentEvent): Promise<void> {
    const controller = spare ?? new AbortController()
    spare = undefined
    underWay = controller
    const working = begin(work, context, cause, controller.signal)
    let event: AttachmentEvent
    try {
      event = await working
    } catch (error) {
      // Whoever left its state in the meantime is not told how it went.
      if (underWay !== controller) return
      event = { type: 'BROKE', failure: work.failureOf(error) }
    }
    if (underWay !== controller) return
    underWay = undefined
    spare = controller
    send(event)
  }

  /** A fault in the machine itself costs this claim, and neither its lane nor the daemon. */
  function breakOff(error: unknown): void {
    underWay?.abort()
    underWay = undefined
    actor.stop()
    finish({ lost: true, failure: work.failureOf(error) })
  }

  actor.subscribe({ error: breakOff })
  actor.start()
  return {
    claim,
    done,
    state: () => state,
    runInLane: () =>
      new Promise(resolve => {
        if (state !== 'waiting') return resolve()
        startedAt = Date.now()
        leaveLane = resolve
        send({ type: 'START' })
      }),
    loseLease: () => send({ type: 'LEASE_LOST' }),
    settling: () => state === 'settling',
    interrupt: (reason, retryInMs) => send({ type: 'INTERRUPT', reason, retryInMs }),
    interruptIfWaiting: (reason, retryInMs) => {
      if (state === 'waiting') send({ type: 'INTERRUPT', reason, retryInMs })
    },
  }
}

const innermost = (value: AttachmentSnapshot['value']): string =>
  typeof value === 'string' ? value : value.UPLOADING

/** Beside these it waits for the database, or is through. */
const IN_LANE: ReadonlySet<string> = new Set(['waiting', 'resolving', 'transferring', 'judging'])

type Begin = (
  work: AttachmentWork,
  context: AttachmentContext,
  cause: AttachmentEvent,
  signal: AbortSignal,
) => Promise<AttachmentEvent>

/** What is done in a state that was entered by that event, and the event that says how it went well. */
const WORK: Readonly<Record<string, Begin>> = {
  resolving: (work, { claim }, _, signal) =>
    work.resolve(claim, signal).then(media => ({ type: 'RESOLVED', media })),
  transferring: (work, { claim }, cause, signal) =>
    work
      .transfer(claim, known(cause.type === 'RESOLVED' ? cause.media : null, 'media'), signal)
      .then(object => ({ type: 'STORED', object })),
  judging: (work, { claim }, cause) =>
    work
      .judge(claim, known(cause.type === 'BROKE' ? cause.failure : null, 'failure'))
      .then(settlement => ({ type: 'JUDGED', settlement })),
  settling: (work, { claim, settlement }, _, signal) =>
    work
      .settle(claim, known(settlement, 'settlement'), signal)
      .then(answer => ({ type: 'ANSWERED', answer })),
}

/** A state is only entered with what it needs; if that is ever untrue the machine is wrong, not the data. */
function known<T>(value: T | null, what: string): T {
  if (value === null) throw new Error(`attachment machine: no ${what} in this state`)
  return value
}
