import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWakeSet, WAKE_SET_LIMIT } from '../../src/intake/wake-set.ts'

test('gives the newest first, each once, and forgets what it gave', () => {
  const set = createWakeSet()
  for (const id of [3, 1, 2, 3, 10]) set.add(id)
  assert.equal(set.size, 4)
  assert.deepEqual(set.take(2), [10, 3])
  assert.deepEqual(set.take(0), [])
  assert.deepEqual(set.take(-1), [])
  assert.deepEqual(set.take(5), [2, 1])
  assert.deepEqual(set.take(5), [])
})

test('what was claimed without having been asked for is forgotten, and may be announced anew', () => {
  const set = createWakeSet()
  for (const id of [1, 2, 3]) set.add(id)
  set.forget(2)
  set.forget(9)
  assert.equal(set.size, 2)
  set.add(2)
  set.add(2)
  assert.equal(set.size, 3)
  assert.deepEqual(set.take(5), [3, 2, 1])
  assert.equal(set.size, 0)
})

test('what was forgotten takes no room, and the order stays', () => {
  const set = createWakeSet(3)
  for (let id = 100; id > 0; id--) {
    set.add(id)
    if (id > 3) set.forget(id)
  }
  assert.deepEqual(set.take(5), [3, 2, 1])
})

test('a full set drops what comes and takes again once it was emptied', () => {
  const set = createWakeSet()
  for (let id = 1; id <= WAKE_SET_LIMIT + 5; id++) set.add(id)
  assert.equal(set.size, WAKE_SET_LIMIT)
  assert.equal(set.take(1)[0], WAKE_SET_LIMIT)
  set.add(99_999)
  assert.equal(set.take(1)[0], 99_999)
})
