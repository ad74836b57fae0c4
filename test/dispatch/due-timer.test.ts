import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { dueTimer } from '../../src/dispatch/due-timer.ts'

function bench(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 })
  const told: number[] = []
  const timer = dueTimer(
    30_000,
    () => told.push(Date.now()),
    () => Date.now(),
  )
  const tick = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) t.mock.timers.tick(10)
  }
  return { timer, told, tick }
}

test('tells at each moment, whatever their order', t => {
  const { timer, told, tick } = bench(t)
  timer.in(5000)
  timer.in(1000)
  timer.in(9000)
  tick(20_000)
  assert.deepEqual(told, [1000, 5000, 9000])
})

test('moments close together are told once, and never too early', t => {
  const { timer, told, tick } = bench(t)
  tick(10)
  for (let ms = 0; ms < 240; ms++) timer.in(ms)
  timer.in(1000)
  tick(2000)
  assert.deepEqual(told, [250, 1250])
})

test('a moment that is beyond the horizon is left to the sweep', t => {
  const { timer, told, tick } = bench(t)
  timer.in(30_001)
  tick(60_000)
  assert.deepEqual(told, [])
})

test('stop forgets all, and takes no more', t => {
  const { timer, told, tick } = bench(t)
  timer.in(1000)
  timer.stop()
  timer.in(1000)
  tick(60_000)
  assert.deepEqual(told, [])
})
