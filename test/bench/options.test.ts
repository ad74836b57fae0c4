import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UserError } from '../../src/errors.ts'
import { readOptions } from './options.ts'

test('--only narrows what it names a kind of, and leaves the rest whole', () => {
  const options = readOptions(['--only', 'raw,mediaferry,32', '--rounds', '1'])
  assert.deepEqual(options.systems, ['raw', 'mediaferry'])
  assert.deepEqual(options.mixes, ['200KB', 'mixed'])
  assert.deepEqual(options.concurrencies, [32])
  assert.equal(options.rounds, 1)
  assert.equal(options.seconds, 10)
})

test('what it does not know is refused', () => {
  assert.throws(() => readOptions(['--only', 'mediaferri']), UserError)
  assert.throws(() => readOptions(['--seconds', 'soon']), UserError)
})
