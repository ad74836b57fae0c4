import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAlive } from '../src/alive.ts'

test('a daemon that was not seen for three beats, or has said that it stopped, is not at work', () => {
  const now = Date.parse('2026-11-22T12:00:00Z')
  const seen = (secondsAgo: number, state = 'running') => ({
    state,
    last_seen: new Date(now - secondsAgo * 1000).toISOString(),
  })
  assert.equal(isAlive(seen(89), now, 30_000), true)
  assert.equal(isAlive(seen(91), now, 30_000), false)
  assert.equal(isAlive(seen(89), now, 5000), true, 'short beats give nobody up sooner')
  assert.equal(isAlive(seen(179), now, 60_000), true)
  assert.equal(isAlive(seen(181), now, 60_000), false)
  assert.equal(isAlive(seen(1, 'stopped'), now, 30_000), false)
  assert.equal(isAlive(seen(-5), now, 30_000), true, 'by a clock that is behind')
})
