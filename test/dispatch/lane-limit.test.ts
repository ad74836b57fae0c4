import assert from 'node:assert/strict'
import { test } from 'node:test'
import { laneLimit } from '../../src/dispatch/lane-limit.ts'

test('all lanes below 80 percent, half at 80, one when the allowance is used up', () => {
  assert.deepEqual(
    [0, 79.9, 80, 90, 99, 100, 140].map(percent => laneLimit(32, percent)),
    [32, 32, 16, 8, 1, 1, 1],
  )
})

test('never less than one lane', () => {
  assert.deepEqual(
    [80, 100].map(percent => laneLimit(1, percent)),
    [1, 1],
  )
})
