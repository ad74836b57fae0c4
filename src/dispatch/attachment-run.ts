import { createActor } from 'xstate'
import {
  type AttachmentContext,
  type AttachmentEvent,
  type AttachmentOutput,
  type AttachmentSnapshot,
  attachmentMachine,
  type InterruptReason,
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

/** A root actor for each claim: 34 µs of CPU time from its start to its end, when nothing else is done. */
export const attachmentStarter =
  (work: AttachmentWork): StartAttachment =>
  claim =>
    startRun(work, claim)

function startRun(work: AttachmentWork, claim: Claim): AttachmentRun {
  const actor = createActor(attachmentMachine, { input: { claim } })
  let state = 'waiting'
  /** The work of that state. */
  let underWay: AbortController | undefined
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

  function follow(snapshot: AttachmentSnapshot): void {
    const now = innermost(snapshot.value)
    if (now !== state) {
      state = now
      abort()
      if (!IN_LANE.has(now)) freeLane()
      const begin = WORK[now]
      if (begin !== undefined) carryOut(begin, snapshot.context).catch(breakOff)
    }
    if (snapshot.output !== undefined) finish(snapshot.output)
  }

  function abort(): void {
    const left = underWay
    underWay = undefined
    left?.abort()
  }

  async function carryOut(begin: Begin, context: AttachmentContext): Promise<void> {
    const controller = new AbortController()
    underWay = controller
    const working = begin(work, context, controller.signal)
    // Whoever left its state in the meantime is not told how it went.
    const tell = (event: () => AttachmentEvent) => {
      if (underWay !== controller) return
      const told = event()
      underWay = undefined
      actor.send(told)
    }
    await working.then(
      event => tell(() => event),
      error => tell(() => ({ type: 'BROKE', failure: work.failureOf(error) })),
    )
  }

  /** A fault in the machine itself costs this claim, and neither its lane nor the daemon. */
  function breakOff(error: unknown): void {
    abort()
    actor.stop()
    finish({ lost: true, failure: work.failureOf(error) })
  }

  actor.subscribe({ next: follow, error: breakOff })
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
        actor.send({ type: 'START' })
      }),
    loseLease: () => actor.send({ type: 'LEASE_LOST' }),
    settling: () => state === 'settling',
    interrupt: (reason, retryInMs) => actor.send({ type: 'INTERRUPT', reason, retryInMs }),
    interruptIfWaiting: (reason, retryInMs) => {
      if (state === 'waiting') actor.send({ type: 'INTERRUPT', reason, retryInMs })
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
  signal: AbortSignal,
) => Promise<AttachmentEvent>

/** What is done in a state of the machine, and the event that says how it went well. */
const WORK: Readonly<Record<string, Begin>> = {
  resolving: (work, { claim }, signal) =>
    work.resolve(claim, signal).then(media => ({ type: 'RESOLVED', media })),
  transferring: (work, { claim, media }, signal) =>
    work.transfer(claim, known(media, 'media'), signal).then(object => ({ type: 'STORED', object })),
  judging: (work, { claim, failure }) =>
    work.judge(claim, known(failure, 'failure')).then(settlement => ({ type: 'JUDGED', settlement })),
  settling: (work, { claim, settlement }, signal) =>
    work
      .settle(claim, known(settlement, 'settlement'), signal)
      .then(answer => ({ type: 'ANSWERED', answer })),
}

/** A state is only entered with what it needs; if that is ever untrue the machine is wrong, not the data. */
function known<T>(value: T | null, what: string): T {
  if (value === null) throw new Error(`attachment machine: no ${what} in this state`)
  return value
}
