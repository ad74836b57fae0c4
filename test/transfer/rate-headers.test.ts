import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryAfterMs, usageOf } from '../../src/transfer/rate-headers.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')

test('Retry-After is seconds or a date, never negative, at most a day', () => {
  const after = (value?: string) => retryAfterMs({ 'retry-after': value }, NOW)
  assert.equal(after('120'), 120_000)
  assert.equal(after('0'), 0)
  assert.equal(after('Sun, 22 Nov 2026 12:01:00 GMT'), 60_000)
  assert.equal(after('Sun, 22 Nov 2026 11:00:00 GMT'), 0)
  assert.equal(after('999999999'), 86_400_000)
  for (const odd of [undefined, '', 'soon', '-5x', '1e9999']) assert.equal(after(odd), undefined, String(odd))
})

test('the highest of all usage figures counts', () => {
  const app = { 'x-app-usage': '{"call_count":28,"total_time":85,"total_cputime":3}' }
  assert.deepEqual(usageOf(app), { callCountPercent: 85, regainAccessMs: 0 })
  const business = {
    'x-business-use-case-usage':
      '{"1":[{"type":"whatsapp","call_count":100,"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":19}],"2":[{"call_count":3}]}',
  }
  assert.deepEqual(usageOf(business), { callCountPercent: 100, regainAccessMs: 19 * 60_000 })
  assert.equal(usageOf({ ...app, ...business })?.callCountPercent, 100)
  assert.equal(usageOf({}), undefined)
  for (const odd of ['', 'x', '[]', 'null', '7'])
    assert.equal(usageOf({ 'x-app-usage': odd }), undefined, odd)
  assert.deepEqual(usageOf({ 'x-app-usage': '{"call_count":"many"}' }), {
    callCountPercent: 0,
    regainAccessMs: 0,
  })
  assert.deepEqual(usageOf({ 'x-business-use-case-usage': '{"1":7,"2":[null]}' }), {
    callCountPercent: 0,
    regainAccessMs: 0,
  })
})
