import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { summaryShape } from '../../src/api-shapes.ts'
import type { DatabaseSummary } from '../../src/ops/sources.ts'
import { cacheSummary, PATIENCE_MS, summaryAnswer } from '../../src/ops/summary.ts'
import { fixtures } from '../support/ops-fixtures.ts'

const SUMMARY: DatabaseSummary = await fixtures().sources.database.summary()

function cacheOf(took = 0) {
  const clock = { now: 0 }
  const state = { reads: 0, error: null as Error | null }
  const cache = cacheSummary(
    async () => {
      state.reads++
      clock.now += took
      if (state.error !== null) throw state.error
      return SUMMARY
    },
    2000,
    () => clock.now,
  )
  return { cache, clock, state }
}

test('many who ask at once, or soon after, are one question', async () => {
  const { cache, clock, state } = cacheOf()
  await Promise.all([cache.read(), cache.read(), cache.read()])
  clock.now = 1999
  await cache.read()
  assert.equal(state.reads, 1)
  clock.now = 2000
  await cache.read()
  assert.equal(state.reads, 2)
  cache.expire()
  await cache.read()
  assert.equal(state.reads, 3)
})

test('nobody asks, nothing is read', () => {
  assert.equal(cacheOf().state.reads, 0)
})

test('a slow answer is asked for less often: a tenth of the time at the most', async () => {
  const { cache, clock, state } = cacheOf(1500)
  await cache.read()
  clock.now = 1500 + 14_999
  await cache.read()
  assert.equal(state.reads, 1)
  clock.now = 1500 + 15_000
  await cache.read()
  assert.equal(state.reads, 2)
})

test('while the database is away the last reading stands, with the reason', async () => {
  const { cache, clock, state } = cacheOf()
  const first = await cache.read()
  state.error = new Error('connect ECONNREFUSED')
  clock.now = 3000
  const second = await cache.read()
  assert.equal(second.summary, first.summary)
  assert.equal(second.readAt, first.readAt)
  assert.equal(second.error, state.error)
  state.error = null
  clock.now = 6000
  assert.equal((await cache.read()).error, undefined)
})

test('a database that kept us waiting is asked again soon: what it says when it is back is not minutes old', async () => {
  const { cache, clock, state } = cacheOf(15_000)
  await cache.read()
  state.error = new Error('no answer')
  clock.now = 200_000
  await cache.read()
  state.error = null
  clock.now += 30_000
  assert.equal((await cache.read()).error, undefined)
})

test('a database that says nothing keeps nobody waiting: scrapes and pages have what is known', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.after(() => mock.timers.reset())
  const clock = { now: 0 }
  let answer = (_: DatabaseSummary): void => undefined
  const reads = () => new Promise<DatabaseSummary>(resolve => (answer = resolve))
  const cache = cacheSummary(reads, 2000, () => clock.now)
  const nothing = assert.rejects(cache.read(), /has not answered/)
  mock.timers.tick(PATIENCE_MS)
  await nothing
  const first = cache.read()
  answer(SUMMARY)
  assert.equal((await first).summary, SUMMARY)
  clock.now = 10_000
  const second = cache.read()
  mock.timers.tick(PATIENCE_MS)
  assert.equal((await second).summary, SUMMARY)
})

test('without any answer it rejects, and asks again', async () => {
  const { cache, clock, state } = cacheOf()
  state.error = new Error('away')
  await assert.rejects(cache.read(), /away/)
  state.error = null
  clock.now = 2000
  assert.equal((await cache.read()).summary, SUMMARY)
})

test('the answer has the shape of the API, and tells which daemons are alive and which numbers are old', () => {
  const data = fixtures()
  const now = new Date('2026-11-22T12:00:00Z')
  const daemon = (worker: string, state: string, secondsAgo: number) => ({
    worker,
    beat: 1,
    state,
    circuits: {},
    version: '0',
    last_seen: new Date(now.getTime() - secondsAgo * 1000).toISOString(),
  })
  const daemons = [daemon('a', 'running', 89), daemon('b', 'running', 91), daemon('c', 'stopped', 1)]
  const answer = summaryAnswer({
    version: '0',
    daemon: data.sources.daemon,
    health: { status: 'ready', reasons: [] },
    reading: {
      summary: { ...SUMMARY, daemons },
      readAt: now,
      error: new Error('https://secret.example/x is away'),
    },
    canaryIntervalMs: 30_000,
    now,
  })
  summaryShape.parse(answer)
  assert.deepEqual(
    answer.daemons.map(({ alive }) => alive),
    [true, false, false],
  )
  assert.deepEqual(answer.stale, { read_at: now.toISOString(), error: '[url] is away' })
})
