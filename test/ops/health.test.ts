import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthOf } from '../../src/ops/health.ts'
import { fixtures } from '../support/ops-fixtures.ts'

const health = (change: (data: ReturnType<typeof fixtures>) => void) => {
  const data = fixtures()
  change(data)
  return healthOf(data.sources.daemon, 8)
}

const open = (dependency: 'whatsapp' | 'storage', code: string, state = 'open') => ({
  dependency,
  state,
  outage: { code, message: 'It said no.', since: new Date(), probes: 1 },
})

test('ready when nothing speaks against it', () => {
  assert.deepEqual(
    health(() => undefined),
    { status: 'ready', reasons: [] },
  )
})

for (const lifecycle of ['starting', 'recovering', 'draining', 'closing', 'stopped', 'failed']) {
  test(`down while ${lifecycle}, and says so`, () => {
    const { status, reasons } = health(data => {
      data.lifecycle = lifecycle
    })
    assert.equal(status, 'down')
    assert.equal(reasons.length, 1)
  })
}

test('"starting" is named while it starts', () => {
  assert.match(
    health(data => {
      data.lifecycle = 'recovering'
    }).reasons[0] ?? '',
    /^starting/,
  )
})

for (const state of ['open', 'probing']) {
  test(`down with advice while a circuit is ${state}`, () => {
    const { status, reasons } = health(data => {
      data.circuits = [open('whatsapp', 'token_rejected', state)]
    })
    assert.equal(status, 'down')
    assert.match(reasons[0] ?? '', /^whatsapp: It said no\. Create a new access token/)
  })
}

test('degraded when rate-limited, and down when something else is out too', () => {
  const limited = open('whatsapp', 'rate_limited')
  assert.equal(
    health(data => {
      data.circuits = [limited]
    }).status,
    'degraded',
  )
  assert.equal(
    health(data => {
      data.circuits = [open('storage', 'storage_rate_limited')]
    }).status,
    'degraded',
  )
  const both = health(data => {
    data.circuits = [limited, open('storage', 'quota')]
  })
  assert.deepEqual([both.status, both.reasons.length], ['down', 2])
})

test('degraded when the allowance is nearly used up, paused or deaf, each with what to do', () => {
  const lanes = health(data => {
    data.lanes = { busy: 2, limit: 2, claimed: 2 }
  })
  assert.equal(lanes.status, 'degraded')
  assert.match(lanes.reasons[0] ?? '', /2 of 8 lanes/)
  const paused = health(data => {
    data.lifecycle = 'paused'
  })
  assert.deepEqual([paused.status, /mediaferry resume/.test(paused.reasons[0] ?? '')], ['degraded', true])
  const deaf = health(data => {
    data.realtime = { hearing: false, cause: { code: 'misses', message: '' }, announced: 0, missed: 3 }
  })
  assert.equal(deaf.status, 'degraded')
  assert.match(deaf.reasons[0] ?? '', /Files keep arriving.*publication supabase_realtime/)
})
