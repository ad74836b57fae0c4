import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, quantile, slope } from './statistics.ts'

test('the median of an even number is between the two in the middle', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([4, 1, 9, 2]), 3)
})

test('a quantile is one of the values: the smallest that the share does not exceed', () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at)
  assert.equal(quantile(values, 0.5), 50)
  assert.equal(quantile(values, 0.99), 99)
  assert.equal(quantile([7], 0.99), 7)
})

test('the slope is that of the line that fits best', () => {
  const noisy = [0, 1, 2, 3].map(x => ({ x, y: 10 + 3 * x + (x % 2 === 0 ? 1 : -1) * 0.5 }))
  assert.ok(Math.abs(slope(noisy) - 2.8) < 1e-9)
})
