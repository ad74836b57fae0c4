import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimulatedClock } from 'xstate'
import { createMisses, GRACE_MS } from '../../src/intake/misses.ts'

function start() {
  const clock = new SimulatedClock()
  const missed: number[] = []
  const told: string[] = []
  const misses = createMisses({
    clock,
    onMissed: ids => missed.push(...ids),
    onDeaf: () => told.push('deaf'),
    onLostCount: () => told.push('lost count'),
  })
  const found = (...ids: number[]) =>
    misses.found(ids.map(id => ({ id, created_xid: String(1000 + id), upload_status: 'PENDING' })))
  return { clock, missed, told, misses, found }
}

describe('a row is missed', () => {
  test('when it was found and not announced within five seconds', () => {
    const { clock, missed, misses, found } = start()
    misses.confirm('1000')
    found(1, 2)
    clock.increment(GRACE_MS - 1)
    misses.announced(2)
    assert.deepEqual(missed, [])
    clock.increment(1)
    assert.deepEqual(missed, [1])
    assert.equal(misses.total, 1)
  })

  test('not when it was announced before it was found, however long before', () => {
    const { clock, missed, misses, found } = start()
    misses.confirm('1000')
    misses.announced(1)
    clock.increment(3_600_000)
    found(1)
    clock.increment(GRACE_MS)
    assert.deepEqual(missed, [])
  })

  test('not when its transaction began before the subscription was confirmed, nor without one', () => {
    const { clock, missed, misses, found } = start()
    found(1)
    misses.confirm('1003')
    found(2, 3)
    clock.increment(GRACE_MS)
    assert.deepEqual(missed, [3])
    misses.confirm(null)
    found(4)
    clock.increment(GRACE_MS)
    assert.deepEqual(missed, [3])
  })

  test('not when the subscription was lost before the verdict', () => {
    const { clock, missed, misses, found } = start()
    misses.confirm('1000')
    found(1)
    misses.confirm(null)
    clock.increment(GRACE_MS)
    assert.deepEqual(missed, [])
  })

  test('each by its own five seconds', () => {
    const { clock, missed, misses, found } = start()
    misses.confirm('1000')
    found(1)
    clock.increment(3000)
    found(2)
    clock.increment(2000)
    assert.deepEqual(missed, [1])
    clock.increment(2999)
    assert.deepEqual(missed, [1])
    clock.increment(1)
    assert.deepEqual(missed, [1, 2])
  })
})

describe('deaf', () => {
  test('after three verdicts running, said once', () => {
    const { clock, told, misses, found } = start()
    misses.confirm('1000')
    for (const id of [1, 2, 3, 4]) {
      found(id)
      clock.increment(GRACE_MS)
      assert.deepEqual(told, id < 3 ? [] : ['deaf'])
    }
  })

  test('not when a catch-up between them found its rows announced; one that found nothing says nothing', () => {
    const { clock, told, misses, found } = start()
    misses.confirm('1000')
    const miss = (id: number) => {
      found(id)
      clock.increment(GRACE_MS)
    }
    miss(1)
    miss(2)
    misses.announced(3)
    found(3)
    clock.increment(GRACE_MS)
    miss(4)
    miss(5)
    assert.deepEqual(told, [])
    found()
    clock.increment(60_000)
    miss(6)
    assert.deepEqual(told, ['deaf'])
  })
})

test('what is announced ahead of the catch-up is bounded: it loses count and says so', () => {
  const { clock, missed, told, misses, found } = start()
  misses.confirm('1000')
  for (let id = 1; id <= 10_001; id++) misses.announced(id)
  assert.deepEqual(told, ['lost count'])
  found(1, 20_000)
  clock.increment(GRACE_MS)
  assert.deepEqual(missed, [], 'nothing counts until it is confirmed anew')
  misses.confirm('31000')
  found(30_001)
  clock.increment(GRACE_MS)
  assert.deepEqual(missed, [30_001])
})

test('stopped, it says nothing more', () => {
  const { clock, missed, misses, found } = start()
  misses.confirm('1000')
  found(1)
  misses.stop()
  clock.increment(GRACE_MS)
  assert.deepEqual(missed, [])
})
