import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createActor, SimulatedClock } from 'xstate'
import {
  type AttachmentOutput,
  type AttachmentSnapshot,
  attachmentMachine,
  interruption,
} from '../../machines/attachment.ts'
import type {
  Claim,
  Failure,
  ResolvedMedia,
  SettleAnswer,
  Settlement,
  StoredObject,
} from '../../src/attachment.ts'
import { held, neverSeen, settled, simplePaths } from './support.ts'

const claim: Claim = {
  id: 7,
  claimToken: 3,
  leadId: 1,
  messageId: 'wamid.1',
  mediaId: '100',
  phoneNumberId: '200',
  kind: 'image',
  fileName: null,
  declaredMimeType: 'image/jpeg',
  declaredSha256: null,
  expiresAt: '2026-11-30T00:00:00Z',
  uploadAttempts: 0,
  maxAttempts: 5,
  lostLeases: 0,
  bucket: 'attachments',
  objectPrefix: '1',
  createdAt: '2026-11-23T00:00:00Z',
  dueAt: '2026-11-23T00:00:00Z',
}

const media: ResolvedMedia = {
  url: 'https://lookaside.test/1',
  mimeType: 'image/jpeg',
  sha256: null,
  size: 3,
}
const stored: StoredObject = {
  objectKey: '1/7-3.jpg',
  contentType: 'image/jpeg',
  sizeBytes: 3,
  sha256: 'ab',
  verified: false,
  notes: [],
}
const uploaded: Settlement = { outcome: 'uploaded', ...stored }
const retry: Settlement = { outcome: 'retry', code: 'timeout', message: 'slow', retryInMs: 300_000 }
const failed: Settlement = { outcome: 'failed', code: 'media_gone', message: 'gone' }

function failure(code: string): Failure {
  return { verdict: 'retry', code, message: code }
}

class Thrown extends Error {
  readonly failure: Failure
  constructor(code: string) {
    super(code)
    this.failure = failure(code)
  }
}

function failureOf(error: unknown): Failure {
  return error instanceof Thrown ? error.failure : failure('unexpected')
}

function start(over: Partial<Claim> = {}) {
  const resolve = held<ResolvedMedia, { claim: Claim }>()
  const transfer = held<StoredObject, { claim: Claim; media: ResolvedMedia }>()
  const judge = held<Settlement, { claim: Claim; failure: Failure }>()
  const settle = held<SettleAnswer, { claim: Claim; settlement: Settlement }>()
  const machine = attachmentMachine.provide({
    actors: { resolve: resolve.logic, transfer: transfer.logic, judge: judge.logic, settle: settle.logic },
  })
  const clock = new SimulatedClock()
  const actor = createActor(machine, { input: { claim: { ...claim, ...over }, failureOf }, clock }).start()
  return { actor, resolve, transfer, judge, settle }
}

type Run = ReturnType<typeof start>

const at = (run: Run) => JSON.stringify(run.actor.getSnapshot().value)

function outputOf(run: Run): AttachmentOutput {
  const { status, output } = run.actor.getSnapshot()
  assert.equal(status, 'done')
  assert.ok(output)
  assert.deepEqual(Object.keys(run.actor.getSnapshot().children), [], 'no actor is left')
  return output
}

async function toSettling(run: Run): Promise<void> {
  run.actor.send({ type: 'START' })
  run.resolve.last().resolve(media)
  await settled()
  run.transfer.last().resolve(stored)
  await settled()
}

describe('the way of one attachment', () => {
  test('waits for its lane and then is resolved, stored, settled', async () => {
    const run = start()
    await settled()
    assert.equal(at(run), '"waiting"')
    assert.equal(run.resolve.calls.length, 0, 'nothing happens before its lane is free')
    await toSettling(run)
    assert.deepEqual(run.transfer.last().input, { claim, media })
    assert.deepEqual(run.settle.last().input, { claim, settlement: uploaded })
    run.settle.last().resolve('applied')
    await settled()
    assert.equal(at(run), '"UPLOADED"')
    assert.deepEqual(outputOf(run), { lost: false, settlement: uploaded, answer: 'applied' })
    assert.equal(run.judge.calls.length, 0)
  })

  test('an answer that came twice counts once', async () => {
    const run = start()
    await toSettling(run)
    run.settle.last().resolve('already')
    await settled()
    assert.equal(at(run), '"UPLOADED"')
  })

  test('told "lost", it is released with what was not taken', async () => {
    const run = start()
    await toSettling(run)
    run.settle.last().resolve('lost')
    await settled()
    assert.equal(at(run), '"released"')
    assert.deepEqual(outputOf(run), { lost: false, settlement: uploaded, answer: 'lost' })
  })

  test('when nobody can be told, it is released and says why', async () => {
    const run = start()
    await toSettling(run)
    run.settle.last().reject(new Thrown('database_gone'))
    await settled()
    assert.equal(at(run), '"released"')
    assert.deepEqual(outputOf(run), { lost: true, failure: failure('database_gone') })
  })
})

describe('failures', () => {
  for (const [verdict, over, state] of [
    [retry, {}, '"PENDING"'],
    [retry, { uploadAttempts: 4 }, '"FAILED"'],
    [failed, {}, '"FAILED"'],
    [interruption('storage', 5000), { uploadAttempts: 4 }, '"PENDING"'],
  ] as const) {
    test(`judged ${verdict.outcome} after ${over.uploadAttempts ?? 0} attempts ends in ${state}`, async () => {
      const run = start(over)
      run.actor.send({ type: 'START' })
      run.resolve.last().reject(new Thrown('timeout'))
      await settled()
      assert.deepEqual(run.judge.last().input.failure, failure('timeout'))
      run.judge.last().resolve(verdict)
      await settled()
      assert.deepEqual(run.settle.last().input.settlement, verdict)
      run.settle.last().resolve('applied')
      await settled()
      assert.equal(at(run), state)
    })
  }

  test('a refused download resolves again once, then is judged', async () => {
    const run = start()
    run.actor.send({ type: 'START' })
    for (const turn of [1, 2]) {
      assert.equal(run.resolve.calls.length, turn)
      run.resolve.last().resolve({ ...media, url: `https://lookaside.test/${turn}` })
      await settled()
      assert.equal(run.transfer.last().input.media.url, `https://lookaside.test/${turn}`)
      assert.equal(run.judge.calls.length, 0)
      run.transfer.last().reject(new Thrown('download_refused'))
      await settled()
    }
    assert.equal(run.resolve.calls.length, 2)
    assert.deepEqual(run.judge.last().input.failure, failure('download_refused'))
  })

  test('an error that is no failure is judged as what failureOf makes of it', async () => {
    const run = start()
    run.actor.send({ type: 'START' })
    run.resolve.last().reject(new TypeError('x is undefined'))
    await settled()
    assert.deepEqual(run.judge.last().input.failure, failure('unexpected'))
  })

  test('when judging breaks, no attempt is spent', async () => {
    const run = start()
    run.actor.send({ type: 'START' })
    run.resolve.last().reject(new Thrown('timeout'))
    await settled()
    run.judge.last().reject(new Thrown('probe_broke'))
    await settled()
    const { settlement } = run.settle.last().input
    assert.equal(settlement.outcome, 'interrupted')
    assert.equal(settlement.outcome === 'interrupted' && settlement.code, 'probe_broke')
  })
})

describe('being told to stop', () => {
  const reach: Record<string, (run: Run) => Promise<void> | void> = {
    '"waiting"': () => {},
    '{"UPLOADING":"resolving"}': run => run.actor.send({ type: 'START' }),
    '{"UPLOADING":"transferring"}': async run => {
      run.actor.send({ type: 'START' })
      run.resolve.last().resolve(media)
      await settled()
    },
    '{"UPLOADING":"judging"}': async run => {
      run.actor.send({ type: 'START' })
      run.resolve.last().reject(new Thrown('timeout'))
      await settled()
    },
    '{"UPLOADING":"settling"}': toSettling,
  }
  const running = (run: Run) =>
    [...run.resolve.calls, ...run.transfer.calls, ...run.judge.calls, ...run.settle.calls].at(-1)

  for (const [state, go] of Object.entries(reach)) {
    test(`a lost lease in ${state} aborts and touches nothing more`, async () => {
      const run = start()
      await go(run)
      assert.equal(at(run), state)
      const settles = run.settle.calls.length
      run.actor.send({ type: 'LEASE_LOST' })
      assert.equal(at(run), '"released"')
      assert.equal(outputOf(run).lost, true)
      assert.equal(running(run)?.signal.aborted ?? true, true)
      await settled()
      assert.equal(run.settle.calls.length, settles)
    })

    if (state === '{"UPLOADING":"settling"}') continue
    test(`an interruption in ${state} aborts and is settled without a delay`, async () => {
      const run = start()
      await go(run)
      const before = running(run)
      run.actor.send({ type: 'INTERRUPT', reason: 'drain' })
      assert.equal(at(run), '{"UPLOADING":"settling"}')
      assert.equal(before?.signal.aborted ?? true, true)
      assert.deepEqual(run.settle.last().input.settlement, interruption('drain', 0))
      run.settle.last().resolve('applied')
      await settled()
      assert.equal(at(run), '"PENDING"')
    })
  }

  test('an interruption while settling changes nothing: what is being told is finished', async () => {
    const run = start()
    await toSettling(run)
    run.actor.send({ type: 'INTERRUPT', reason: 'drain' })
    assert.equal(run.settle.calls.length, 1)
    assert.equal(run.settle.last().signal.aborted, false)
    run.settle.last().resolve('applied')
    await settled()
    assert.equal(at(run), '"UPLOADED"')
  })

  test('an open circuit says which, and when to come back', () => {
    const run = start()
    run.actor.send({ type: 'START' })
    run.actor.send({ type: 'INTERRUPT', reason: 'whatsapp', retryInMs: 4000 })
    const { settlement } = run.settle.last().input
    assert.deepEqual(settlement, interruption('whatsapp', 4000))
    assert.equal(settlement.outcome === 'interrupted' && settlement.code, 'whatsapp_down')
  })
})

describe('every simple path', () => {
  const error = (code: string) => new Thrown(code)
  const events = [
    { type: 'START' },
    { type: 'LEASE_LOST' },
    { type: 'INTERRUPT', reason: 'drain' },
    { type: 'xstate.done.actor.resolve', output: media },
    { type: 'xstate.error.actor.resolve', error: error('timeout') },
    { type: 'xstate.done.actor.transfer', output: stored },
    { type: 'xstate.error.actor.transfer', error: error('timeout') },
    { type: 'xstate.error.actor.transfer', error: error('download_refused') },
    { type: 'xstate.done.actor.judge', output: retry },
    { type: 'xstate.done.actor.judge', output: failed },
    { type: 'xstate.error.actor.judge', error: error('probe_broke') },
    { type: 'xstate.done.actor.settle', output: 'applied' },
    { type: 'xstate.done.actor.settle', output: 'already' },
    { type: 'xstate.done.actor.settle', output: 'lost' },
    { type: 'xstate.error.actor.settle', error: error('database_gone') },
  ]
  const walk = {
    input: { claim, failureOf },
    events,
    identity: ({ value, context }: AttachmentSnapshot) => [
      value,
      context.settlement?.outcome,
      context.resolvedAgain,
      context.answer,
    ],
  }
  const paths = simplePaths(attachmentMachine, walk)

  test('takes every transition and reaches every state', () => {
    assert.ok(paths.length > 150, `only ${paths.length} paths`)
    assert.deepEqual(neverSeen(attachmentMachine, walk), [])
  })

  test('keeps the promises, whichever way it goes', () => {
    for (const path of paths) {
      const names = path.steps.map(step => step.event.type)
      const story = names.join(' > ')
      const count = (name: string) => names.filter(each => each === name).length
      const end = path.state
      if (end.value === 'UPLOADED') {
        assert.equal(count('xstate.done.actor.transfer'), 1, story)
        assert.equal(names.at(-1), 'xstate.done.actor.settle', story)
      }
      if (end.status === 'done') {
        const told = count('xstate.done.actor.settle')
        assert.equal(end.output.lost, told === 0, story)
        if (names.at(-1) === 'LEASE_LOST') assert.equal(end.value, 'released', story)
      }
      assert.ok(count('xstate.error.actor.transfer') <= 2, story)
      assert.ok(count('xstate.done.actor.resolve') <= 2, story)
    }
  })

  test('is walked in the same way by a live actor', async () => {
    for (const path of paths) {
      const run = start()
      for (const { event, state } of path.steps.slice(1)) {
        await play(run, event)
        assert.deepEqual(
          run.actor.getSnapshot().value,
          state.value,
          path.steps.map(s => s.event.type).join(' > '),
        )
      }
      run.actor.stop()
      const open = [run.resolve, run.transfer, run.judge, run.settle].map(actor => actor.open())
      assert.deepEqual(open, [0, 0, 0, 0], 'nothing goes on running')
    }
  })

  async function play(run: Run, event: { type: string; output?: unknown; error?: unknown }): Promise<void> {
    const [, kind, , name] = event.type.split('.')
    if (event.type === 'START' || event.type === 'LEASE_LOST') return run.actor.send({ type: event.type })
    if (event.type === 'INTERRUPT') return run.actor.send({ type: 'INTERRUPT', reason: 'drain' })
    assert.ok(name === 'resolve' || name === 'transfer' || name === 'judge' || name === 'settle')
    const call: { resolve: (output: never) => void; reject: (error: unknown) => void } = run[name].last()
    if (kind === 'error') call.reject(event.error)
    else call.resolve(event.output as never)
    await settled()
  }
})
