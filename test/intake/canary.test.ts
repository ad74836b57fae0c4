import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimulatedClock } from 'xstate'
import { createCanary } from '../../src/intake/canary.ts'

/** A row of `realtime_canary` whose UPDATEs the test hands on, or does not. */
function start(row = 5) {
  const clock = new SimulatedClock()
  const story: string[] = []
  const state = { beat: row, failing: false, hold: null as Promise<void> | null }
  const canary = createCanary({
    beat: async () => {
      if (state.failing) throw new Error('down')
      const number = ++state.beat
      await state.hold
      story.push(`beat ${number}`)
      return number
    },
    intervalMs: 30_000,
    timeoutMs: 5000,
    clock,
    onHeard: () => story.push('heard'),
    onLate: () => story.push('late'),
    onNudge: () => story.push('nudge'),
    onError: error => story.push(String(error)),
  })
  return { clock, story, state, canary }
}

const idle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

describe('the canary', () => {
  test('beats every interval and is heard', async () => {
    const { canary, clock, story } = start()
    canary.prove()
    await idle()
    canary.seen(6)
    clock.increment(29_999)
    await idle()
    assert.deepEqual(story, ['beat 6', 'heard'])
    clock.increment(1)
    await idle()
    canary.seen(7)
    clock.increment(5000)
    assert.deepEqual(story, ['beat 6', 'heard', 'beat 7', 'heard'])
  })

  test('is late when its event does not come in time, and still heard when it comes after all', async () => {
    const { canary, clock, story } = start()
    canary.prove()
    await idle()
    clock.increment(4999)
    assert.deepEqual(story, ['beat 6'])
    clock.increment(1)
    assert.deepEqual(story, ['beat 6', 'late'])
    canary.seen(6)
    assert.deepEqual(story, ['beat 6', 'late', 'heard'])
  })

  test('its event may come before the answer of the write', async () => {
    const { canary, clock, story, state } = start()
    const { promise, resolve } = Promise.withResolvers<void>()
    state.hold = promise
    canary.prove()
    canary.seen(6)
    resolve()
    await idle()
    clock.increment(29_000)
    assert.deepEqual(story, ['heard', 'beat 6'])
  })

  test('asked to prove, it forgets an older beat, which may have been lost before the server listened', async () => {
    const { canary, clock, story } = start()
    canary.prove()
    await idle()
    clock.increment(4999)
    canary.prove()
    await idle()
    clock.increment(4999)
    assert.deepEqual(story, ['beat 6', 'beat 7'])
    canary.seen(7)
    clock.increment(20_000)
    assert.deepEqual(story, ['beat 6', 'beat 7', 'heard'])
  })

  test('a row made just now was an INSERT, which nobody announces: it beats again', async () => {
    const { canary, clock, story } = start(0)
    canary.prove()
    await idle()
    assert.deepEqual(story, ['beat 1', 'beat 2'])
    clock.increment(5000)
    assert.deepEqual(story.at(-1), 'late')
  })

  test('a row that was removed and made anew is understood', async () => {
    const { canary, clock, story, state } = start(800)
    canary.prove()
    await idle()
    canary.seen(801)
    state.beat = 0
    clock.increment(30_000)
    await idle()
    canary.seen(2)
    assert.deepEqual(story, ['beat 801', 'heard', 'beat 1', 'beat 2', 'heard'])
    clock.increment(5000)
    assert.equal(story.length, 5, 'and not late')
  })

  test('a change of the row without a new beat is a nudge', async () => {
    const { canary, story } = start()
    canary.prove()
    await idle()
    canary.seen(6)
    canary.seen(6)
    assert.deepEqual(story, ['beat 6', 'heard', 'nudge'])
  })

  test('one that cannot be written is the database’s trouble: tried again soon, never late', async () => {
    const { canary, clock, story, state } = start()
    state.failing = true
    canary.prove()
    await idle()
    for (let turn = 0; turn < 3; turn++) {
      clock.increment(5000)
      await idle()
    }
    assert.deepEqual(story, Array(4).fill('Error: down'))
    state.failing = false
    clock.increment(5000)
    await idle()
    assert.equal(story.at(-1), 'beat 6')
  })

  test('what is told beside the beats is gathered for a second, and neither late nor in the way', async () => {
    const { canary, clock, story } = start()
    canary.prove()
    await idle()
    canary.seen(6)
    canary.tell()
    canary.tell()
    clock.increment(0)
    await idle()
    canary.tell()
    clock.increment(999)
    await idle()
    assert.deepEqual(story, ['beat 6', 'heard', 'beat 7'])
    clock.increment(1)
    await idle()
    assert.equal(story.at(-1), 'beat 8')
    clock.increment(28_999)
    await idle()
    assert.equal(story.length, 4, 'nobody is late for it')
    clock.increment(1)
    await idle()
    assert.equal(story.at(-1), 'beat 9', 'the measured beat comes when it would have come')
    clock.increment(5000)
    assert.equal(story.at(-1), 'late')
  })

  test('one that cannot be told is left to the next beat', async () => {
    const { canary, clock, story, state } = start()
    state.failing = true
    canary.tell()
    clock.increment(0)
    await idle()
    assert.deepEqual(story, [])
    await canary.stop()
  })

  test('told into a row that is new, it proves anew', async () => {
    const { canary, clock, story, state } = start(800)
    canary.prove()
    await idle()
    canary.seen(801)
    state.beat = 0
    canary.tell()
    clock.increment(0)
    await idle()
    canary.seen(2)
    assert.deepEqual(story, ['beat 801', 'heard', 'beat 1', 'beat 2', 'heard'])
  })

  test('stopped, it waits for its write and does nothing more', async () => {
    const { canary, clock, story, state } = start()
    const { promise, resolve } = Promise.withResolvers<void>()
    state.hold = promise
    canary.prove()
    let stopped = false
    const stopping = canary.stop().then(() => {
      stopped = true
    })
    await idle()
    assert.equal(stopped, false)
    resolve()
    await stopping
    canary.prove()
    canary.tell()
    canary.seen(99)
    clock.increment(3_600_000)
    await idle()
    assert.deepEqual(story, ['beat 6'])
  })
})
