import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createActor } from 'xstate'
import { type AttachmentContext, type AttachmentEvent, attachmentMachine } from '../../machines/attachment.ts'
import type { ResolvedMedia, SettleAnswer, Settlement, StoredObject } from '../../src/attachment.ts'
import { attachmentStarter } from '../../src/dispatch/attachment-run.ts'
import { attachmentPaths, claim } from '../machines/attachment-paths.ts'
import { door, Fault, failureOf, settled } from './support.ts'

function started() {
  const resolve = door<[unknown, AbortSignal], ResolvedMedia>()
  const transfer = door<[unknown, unknown, AbortSignal], StoredObject>()
  const judge = door<[unknown, unknown], Settlement>()
  const settle = door<[unknown, Settlement, AbortSignal], SettleAnswer>()
  const start = attachmentStarter({
    resolve: resolve.ask,
    transfer: transfer.ask,
    judge: judge.ask,
    settle: settle.ask,
    failureOf,
  })
  return {
    run: start(claim),
    doors: { resolving: resolve, transferring: transfer, judging: judge, settling: settle },
  }
}

type Started = ReturnType<typeof started>

/** Makes happen to a live run what that event says. */
async function play({ run, doors }: Started, event: AttachmentEvent): Promise<void> {
  const last = <Call>(calls: readonly Call[]): Call => {
    const call = calls.at(-1)
    assert.ok(call, `nothing was begun before ${event.type}`)
    return call
  }
  if (event.type === 'START') void run.runInLane()
  else if (event.type === 'LEASE_LOST') run.loseLease()
  else if (event.type === 'INTERRUPT') run.interrupt(event.reason, 0)
  else if (event.type === 'RESOLVED') last(doors.resolving.calls).resolve(event.media)
  else if (event.type === 'STORED') last(doors.transferring.calls).resolve(event.object)
  else if (event.type === 'JUDGED') last(doors.judging.calls).resolve(event.settlement)
  else if (event.type === 'ANSWERED') last(doors.settling.calls).resolve(event.answer)
  else {
    const { calls } = doors[run.state() as keyof Started['doors']]
    last<{ reject(error: unknown): void }>(calls).reject(new Fault(event.failure))
  }
  await settled()
}

test('a live run goes every way that the machine can go', async () => {
  for (const path of attachmentPaths()) {
    const live = started()
    const model = createActor(attachmentMachine, { input: { claim } }).start()
    let way = ''
    for (const { event, state } of path.steps.slice(1)) {
      const before = { state: live.run.state(), begun: begun(live) }
      await play(live, event as AttachmentEvent)
      model.send(event as AttachmentEvent)
      const { context } = model.getSnapshot()
      way += ` > ${event.type}`
      const now = live.run.state()
      assert.equal(now, typeof state.value === 'string' ? state.value : state.value.UPLOADING, way)
      const entered = now !== before.state && now in live.doors
      assert.equal(begun(live), before.begun + Number(entered), `each state begins its work once:${way}`)
      if (entered) {
        assert.deepEqual(givenLast(live, now), needed(now, event as AttachmentEvent, context), way)
      }
    }
    assert.equal(live.run.state() !== 'waiting' && path.state.status === 'done', await isDone(live), way)
  }
})

/** What the work of that state was given last, beside the claim and the signal. */
const givenLast = ({ doors }: Started, state: string): unknown =>
  state === 'resolving' ? null : doors[state as keyof Started['doors']].calls.at(-1)?.args[1]

/** What the work of a state has to be given that this event led to. */
function needed(state: string, event: AttachmentEvent, { settlement }: AttachmentContext): unknown {
  if (state === 'transferring') return event.type === 'RESOLVED' && event.media
  if (state === 'judging') return event.type === 'BROKE' && event.failure
  return state === 'settling' && settlement !== null ? settlement : null
}

const begun = ({ doors }: Started): number =>
  Object.values(doors).reduce((sum, { calls }) => sum + calls.length, 0)

const isDone = ({ run }: Started): Promise<boolean> =>
  Promise.race([run.done.then(() => true), settled().then(() => false)])

test('work that was left behind is aborted, and what it says afterwards is not heard', async () => {
  const ends = {
    resolving: ['START'],
    transferring: ['START', 'RESOLVED'],
    settling: ['START', 'RESOLVED', 'STORED'],
  } as const
  for (const [state, way] of Object.entries(ends)) {
    for (const answer of ['late', 'broken'] as const) {
      const live = started()
      const steps = attachmentPaths().find(({ steps }) => {
        const names = steps.slice(1).map(({ event }) => event.type)
        return names.join() === way.join()
      })?.steps
      for (const { event } of steps?.slice(1) ?? []) await play(live, event as AttachmentEvent)
      assert.equal(live.run.state(), state)
      const { args, ...call } = live.doors[state as keyof typeof ends].at(0)
      live.run.loseLease()
      assert.equal((args.at(-1) as AbortSignal).aborted, true, state)
      if (answer === 'late') (call.resolve as (value: unknown) => void)({})
      else call.reject(new Error('aborted'))
      await settled()
      assert.equal(live.run.state(), 'released')
      assert.deepEqual((await live.run.done).output, { lost: true, failure: null })
    }
  }
})
