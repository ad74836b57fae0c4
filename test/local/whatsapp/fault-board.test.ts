import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFaultBoard } from '../../../src/local/whatsapp/fault-board.ts'

test('a rule for one media id leaves the others alone', () => {
  const board = createFaultBoard()
  board.add({ on: 'media', fault: 'html', mediaId: '1' })
  assert.deepEqual(
    board.takeMedia('1').map(rule => rule.fault),
    ['html'],
  )
  assert.deepEqual(board.takeMedia('2'), [])
  assert.deepEqual(board.takeGraph('media', '1'), [])
})

test('a rule wears off after its times, and stays without', () => {
  const board = createFaultBoard()
  board.add({ on: 'media', fault: 'html', times: 2 })
  const forever = board.add({ on: 'graph', fault: 'reset' })
  board.takeMedia('1')
  assert.deepEqual(
    board.list().map(({ left }) => left),
    [1, null],
  )
  board.takeMedia('2')
  assert.deepEqual(board.takeMedia('3'), [])
  for (let i = 0; i < 5; i++) assert.equal(board.takeGraph('probe', null).length, 1)
  board.clear(forever)
  assert.deepEqual(board.list(), [])
})

test('the rule that names the id goes first, then the oldest, and one request meets one that decides', () => {
  const board = createFaultBoard()
  board.add({ on: 'media', fault: 'html', times: 1 })
  board.add({ on: 'media', fault: 'json', times: 1 })
  board.add({ on: 'media', fault: 'wrong_hash', mediaId: '1', times: 1 })
  const met = [1, 2, 3, 4].map(() => board.takeMedia('1').map(rule => rule.fault))
  assert.deepEqual(met, [['wrong_hash'], ['html'], ['json'], []])
})

test('rules that only add come before the one that decides, in the same request', () => {
  const board = createFaultBoard()
  board.add({ on: 'graph', fault: 'error', code: 4 })
  board.add({ on: 'graph', fault: 'usage', appUsage: 90 })
  board.add({ on: 'graph', fault: 'delay', ms: 1, times: 1 })
  assert.deepEqual(
    board.takeGraph('media', '1').map(rule => rule.fault),
    ['usage', 'delay', 'error'],
  )
  assert.deepEqual(
    board.takeGraph('media', '1').map(rule => rule.fault),
    ['usage', 'error'],
  )
})

test('a rule that makes no sense is refused', () => {
  const board = createFaultBoard()
  assert.throws(() => board.add({ on: 'media', fault: 'cut', afterBytes: -1 }), { name: 'ZodError' })
  assert.throws(() => board.add({ on: 'media', fault: 'slow', bytesPerSecond: 0 }), { name: 'ZodError' })
  assert.throws(() => board.add({ on: 'graph', fault: 'status', status: 200 }), { name: 'ZodError' })
  assert.throws(() => board.add({ on: 'media', fault: 'html', times: 0 }), { name: 'ZodError' })
  assert.deepEqual(board.list(), [])
})
