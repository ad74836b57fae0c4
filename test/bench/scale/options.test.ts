import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UserError } from '../../../src/errors.ts'
import { PARTS, readScaleOptions } from './options.ts'

test('all parts, and three sizes, unless told otherwise', () => {
  assert.deepEqual(readScaleOptions([]), {
    parts: PARTS,
    rows: [1000, 100_000, 1_000_000],
    pending: 1_000_000,
    json: false,
  })
})

test('parts and sizes are those named, in order', () => {
  const options = readScaleOptions(['--only', 'realtime,queries', '--rows', '5000,1000', '--json'])
  assert.deepEqual(options.parts, ['queries', 'realtime'])
  assert.deepEqual(options.rows, [1000, 5000])
  assert.equal(options.json, true)
})

test('what is unknown or too small is refused by name', () => {
  for (const args of [
    ['--only', 'quries'],
    ['--rows', '10'],
    ['--rows', '1e9.5'],
    ['--pending', '0'],
  ]) {
    assert.throws(() => readScaleOptions(args), UserError, args.join(' '))
  }
})
