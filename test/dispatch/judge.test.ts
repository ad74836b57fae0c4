import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Dependency, Failure } from '../../src/attachment.ts'
import { judge } from '../../src/dispatch/judge.ts'
import { claimOf } from './support.ts'

const RETRY_DELAY = 300_000
const HOUR = 3_600_000

function circuits(works: boolean) {
  const seen: string[] = []
  return {
    seen,
    trip: (dependency: Dependency, { code }: Failure) => seen.push(`trip ${dependency} ${code}`),
    works: async (dependency: Dependency) => {
      seen.push(`works ${dependency}`)
      return works
    },
    waitMs: () => 4321,
  }
}

const told = { code: 'some_code', message: 'Some message.' }
const judged = (failure: Failure, works = true, expiresAt = '2099-01-01T00:00:00Z') =>
  judge(claimOf(1, { expiresAt }), failure, circuits(works), RETRY_DELAY)

test('fail: failed', async () => {
  assert.deepEqual(await judged({ verdict: 'fail', ...told }), { outcome: 'failed', ...told })
})

describe('retry', () => {
  const retryIn = async (retryAfterMs?: number) => {
    const settlement = await judged({
      verdict: 'retry',
      ...told,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
    assert.ok(settlement.outcome === 'retry')
    assert.equal(settlement.code, told.code)
    return settlement.retryInMs
  }

  test('comes due after the retry delay', async () => {
    assert.equal(await retryIn(), RETRY_DELAY)
  })

  test('a Retry-After puts it off, and never brings it forward', async () => {
    assert.equal(await retryIn(RETRY_DELAY + 1), RETRY_DELAY + 1)
    assert.equal(await retryIn(0), RETRY_DELAY)
  })

  test('a Retry-After of years is an hour', async () => {
    assert.equal(await retryIn(1e12), HOUR)
  })
})

describe('interrupted', () => {
  test('a dependency that is down trips its circuit; the row is due when that is tried next', async () => {
    const seen = circuits(true)
    const failure: Failure = { verdict: 'interrupted', dependency: 'storage', ...told }
    const settlement = await judge(claimOf(1), failure, seen, RETRY_DELAY)
    assert.deepEqual(settlement, { outcome: 'interrupted', ...told, retryInMs: 4321 })
    assert.deepEqual(seen.seen, ['trip storage some_code'])
  })

  test('nobody is down: no circuit is touched, and the row does not come round at once', async () => {
    const seen = circuits(true)
    const failure: Failure = { verdict: 'interrupted', dependency: null, ...told }
    const settlement = await judge(claimOf(1), failure, seen, RETRY_DELAY)
    assert.deepEqual(settlement, { outcome: 'interrupted', ...told, retryInMs: 1000 })
    assert.deepEqual(seen.seen, [])
  })
})

describe('unattributed', () => {
  const unattributed = (otherwise: 'retry' | 'fail', code = told.code): Failure => ({
    verdict: 'unattributed',
    dependency: 'whatsapp',
    ...told,
    code,
    otherwise,
  })

  test('the probe fails: no attempt is counted', async () => {
    assert.deepEqual(await judged(unattributed('fail'), false), {
      outcome: 'interrupted',
      ...told,
      retryInMs: 4321,
    })
  })

  test('the probe succeeds: it is the item’s own', async () => {
    assert.deepEqual(await judged(unattributed('retry')), {
      outcome: 'retry',
      ...told,
      retryInMs: RETRY_DELAY,
    })
    assert.deepEqual(await judged(unattributed('fail')), { outcome: 'failed', ...told })
  })

  test('gone past the seven days has a name of its own, other failures keep theirs', async () => {
    const codeOf = async (code: string, expiresAt: string) => {
      const settlement = await judged(unattributed('fail', code), true, expiresAt)
      return settlement.outcome === 'uploaded' ? '' : settlement.code
    }
    assert.equal(await codeOf('media_gone', '2020-01-01T00:00:00Z'), 'media_expired')
    assert.equal(await codeOf('media_gone', '2099-01-01T00:00:00Z'), 'media_gone')
    assert.equal(await codeOf('other', '2020-01-01T00:00:00Z'), 'other')
  })
})
