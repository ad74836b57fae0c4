import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from 'xstate'
import { createSweepTimer } from '../../src/intake/sweep-timer.ts'

function start(random = () => 0) {
  const clock = new SimulatedClock()
  const sweeps: number[] = []
  const intervals: number[] = []
  const timer = createSweepTimer({
    intervalMs: 30_000,
    clock,
    random,
    onSweep: () => sweeps.push(clock.now()),
    onInterval: () => intervals.push(clock.now()),
  })
  const pass = (seconds: number) => {
    for (let tenth = 0; tenth < seconds * 10; tenth++) clock.increment(100)
  }
  return { clock, timer, sweeps, intervals, pass }
}

test('deaf it sweeps every second, hearing every interval', () => {
  const { timer, sweeps, intervals, pass } = start()
  pass(5)
  assert.deepEqual(sweeps, [1000, 2000, 3000, 4000, 5000])
  timer.setHearing(true)
  timer.setHearing(true)
  pass(60)
  assert.deepEqual(sweeps.slice(5), [35_000, 65_000])
  assert.deepEqual(intervals, [35_000, 65_000])
  timer.setHearing(false)
  pass(2)
  assert.deepEqual(sweeps.slice(7), [66_000, 67_000])
})

test('deaf for long, what goes by the interval still does', () => {
  const { intervals, pass } = start()
  pass(120)
  assert.ok(intervals.length >= 4 && intervals.length <= 5, intervals.join())
})

test('jitter only shortens, by a fifth at most', () => {
  const { timer, sweeps, pass } = start(() => 0.5)
  timer.setHearing(true)
  pass(60)
  assert.deepEqual(sweeps, [27_000, 54_000])
})

test('now sweeps at once and moves the next a whole wait away', () => {
  const { timer, sweeps, pass } = start()
  timer.setHearing(true)
  pass(20)
  timer.now()
  pass(29)
  assert.deepEqual(sweeps, [20_000])
  pass(1)
  assert.deepEqual(sweeps, [20_000, 50_000])
})

test('stopped it is silent', () => {
  const { timer, sweeps, pass } = start()
  timer.stop()
  pass(100)
  assert.deepEqual(sweeps, [])
})
