import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Actor, createActor } from 'xstate'
import {
  type AttachmentEvent,
  type AttachmentOutput,
  attachmentMachine,
  interruption,
  waiting,
} from '../../machines/attachment.ts'
import type { Claim } from '../../src/attachment.ts'
import {
  answered,
  attachmentPaths,
  broke,
  claim,
  failed,
  failure,
  judged,
  RESOLVED,
  retry,
  START,
  STORED,
  uploaded,
  walk,
} from './attachment-paths.ts'
import { neverSeen } from './support.ts'

function after(events: readonly AttachmentEvent[], over: Partial<Claim> = {}) {
  const actor = createActor(attachmentMachine, { input: { claim: { ...claim, ...over } } }).start()
  for (const event of events) actor.send(event)
  const { value, context, status, output } = actor.getSnapshot()
  return { at: JSON.stringify(value), context, status, output }
}

function outputAfter(events: readonly AttachmentEvent[]): AttachmentOutput {
  const { status, output } = after(events)
  assert.equal(status, 'done')
  assert.ok(output)
  return output
}

describe('the way of one attachment', () => {
  test('an actor that begins from `waiting` is one that began by itself', () => {
    const persisted = (actor: Actor<typeof attachmentMachine>) => actor.start().getPersistedSnapshot()
    const input = { claim }
    assert.deepEqual(
      persisted(createActor(attachmentMachine, { input, snapshot: waiting(claim) })),
      persisted(createActor(attachmentMachine, { input })),
    )
  })

  test('waits for its lane and then is resolved, stored, settled', () => {
    assert.equal(after([]).at, '"waiting"')
    assert.equal(after([START]).at, '{"UPLOADING":"resolving"}')
    assert.equal(after([START, RESOLVED]).at, '{"UPLOADING":"transferring"}')
    const settling = after([START, RESOLVED, STORED])
    assert.equal(settling.at, '{"UPLOADING":"settling"}')
    assert.deepEqual(settling.context.settlement, uploaded)
    const end = [START, RESOLVED, STORED, answered('applied')]
    assert.equal(after(end).at, '"UPLOADED"')
    assert.deepEqual(outputAfter(end), { lost: false, settlement: uploaded, answer: 'applied' })
  })

  test('an answer that came twice counts once', () => {
    assert.equal(after([START, RESOLVED, STORED, answered('already')]).at, '"UPLOADED"')
  })

  test('told "lost", it is released with what was not taken', () => {
    const end = [START, RESOLVED, STORED, answered('lost')]
    assert.equal(after(end).at, '"released"')
    assert.deepEqual(outputAfter(end), { lost: false, settlement: uploaded, answer: 'lost' })
  })

  test('when nobody can be told, it is released and says why', () => {
    const end = [START, RESOLVED, STORED, broke('database_gone')]
    assert.equal(after(end).at, '"released"')
    assert.deepEqual(outputAfter(end), { lost: true, failure: failure('database_gone') })
  })
})

describe('failures', () => {
  for (const [verdict, over, state] of [
    [retry, {}, '"PENDING"'],
    [retry, { uploadAttempts: 4 }, '"FAILED"'],
    [failed, {}, '"FAILED"'],
    [interruption('storage', 5000), { uploadAttempts: 4 }, '"PENDING"'],
  ] as const) {
    test(`judged ${verdict.outcome} after ${over.uploadAttempts ?? 0} attempts ends in ${state}`, () => {
      assert.equal(after([START, broke('timeout')], over).at, '{"UPLOADING":"judging"}')
      const settling = after([START, broke('timeout'), judged(verdict)], over)
      assert.deepEqual(settling.context.settlement, verdict)
      assert.equal(after([START, broke('timeout'), judged(verdict), answered('applied')], over).at, state)
    })
  }

  test('a refused download resolves again once, then is judged', () => {
    const once = [START, RESOLVED, broke('download_refused')]
    assert.equal(after(once).at, '{"UPLOADING":"resolving"}')
    const again = [...once, RESOLVED]
    assert.equal(after(again).at, '{"UPLOADING":"transferring"}')
    assert.equal(after([...again, broke('download_refused')]).at, '{"UPLOADING":"judging"}')
  })

  test('when judging breaks, no attempt is spent', () => {
    const { settlement } = after([START, broke('timeout'), broke('probe_broke')]).context
    assert.equal(settlement?.outcome, 'interrupted')
    assert.equal(settlement?.outcome === 'interrupted' && settlement.code, 'probe_broke')
  })
})

describe('being told to stop', () => {
  const ways: Record<string, readonly AttachmentEvent[]> = {
    '"waiting"': [],
    '{"UPLOADING":"resolving"}': [START],
    '{"UPLOADING":"transferring"}': [START, RESOLVED],
    '{"UPLOADING":"judging"}': [START, broke('timeout')],
    '{"UPLOADING":"settling"}': [START, RESOLVED, STORED],
  }

  for (const [state, way] of Object.entries(ways)) {
    test(`a lost lease in ${state} releases it`, () => {
      assert.equal(after(way).at, state)
      const end = [...way, { type: 'LEASE_LOST' } as const]
      assert.equal(after(end).at, '"released"')
      assert.equal(outputAfter(end).lost, true)
    })

    if (state === '{"UPLOADING":"settling"}') continue
    test(`an interruption in ${state} is settled without a delay`, () => {
      const interrupted = [...way, { type: 'INTERRUPT', reason: 'drain' } as const]
      assert.equal(after(interrupted).at, '{"UPLOADING":"settling"}')
      assert.deepEqual(after(interrupted).context.settlement, interruption('drain', 0))
      assert.equal(after([...interrupted, answered('applied')]).at, '"PENDING"')
    })
  }

  test('an interruption while settling changes nothing: what is being told is finished', () => {
    const interrupted = [START, RESOLVED, STORED, { type: 'INTERRUPT', reason: 'drain' } as const]
    assert.deepEqual(after(interrupted).context.settlement, uploaded)
    assert.equal(after([...interrupted, answered('applied')]).at, '"UPLOADED"')
  })

  test('an open circuit says which, and when to come back', () => {
    const { settlement } = after([START, { type: 'INTERRUPT', reason: 'whatsapp', retryInMs: 4000 }]).context
    assert.deepEqual(settlement, interruption('whatsapp', 4000))
    assert.equal(settlement?.outcome === 'interrupted' && settlement.code, 'whatsapp_down')
  })
})

describe('every simple path', () => {
  const paths = attachmentPaths()

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
        assert.equal(count('STORED'), 1, story)
        assert.equal(names.at(-1), 'ANSWERED', story)
      }
      if (end.status === 'done') {
        assert.equal(end.output.lost, count('ANSWERED') === 0, story)
        if (names.at(-1) === 'LEASE_LOST') assert.equal(end.value, 'released', story)
      }
      assert.ok(count('RESOLVED') <= 2, story)
    }
  })
})
