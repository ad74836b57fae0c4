import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { keepLeases } from '../../src/dispatch/leases.ts'
import { door, SILENT, settled } from './support.ts'

type Key = { readonly id: number; readonly claimToken: number }

const LEASE = 60_000

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 }))
afterEach(() => mock.timers.reset())

/** Time passes in steps, so that whatever a timer starts is noticed before the next. */
async function pass(ms: number, step = 500) {
  for (let left = ms; left > 0; left -= step) {
    mock.timers.tick(Math.min(step, left))
    await settled()
  }
}

function bench(answer?: (claims: readonly Key[]) => readonly Key[]) {
  const renewal = door<[readonly Key[]], readonly Key[]>()
  const asked: { at: number; ids: number[] }[] = []
  const lost: { id: number; at: number }[] = []
  const settling = new Set<number>()
  const leases = keepLeases({
    leaseMs: LEASE,
    renew: async claims => {
      asked.push({ at: Date.now(), ids: claims.map(({ id }) => id) })
      return answer === undefined ? renewal.ask(claims) : answer(claims)
    },
    log: SILENT,
    now: () => Date.now(),
  })
  return {
    leases,
    renewal,
    asked,
    lost,
    settling,
    hold: (id: number, sentAt = Date.now()) =>
      leases.hold({ id, claimToken: 1 }, sentAt, {
        loseLease: () => lost.push({ id, at: Date.now() }),
        settling: () => settling.has(id),
      }),
    drop: (id: number) => leases.drop({ id, claimToken: 1 }),
  }
}

const none = () => {
  throw new Error('no answer')
}

test('all claims in one call, at each third of the lease', async () => {
  const { hold, asked, lost } = bench(claims => claims)
  for (let id = 1; id <= 3; id++) hold(id)
  await pass(5000)
  hold(4)
  await pass(55_000)
  assert.deepEqual(asked, [
    { at: 20_000, ids: [1, 2, 3, 4] },
    { at: 40_000, ids: [1, 2, 3, 4] },
    { at: 60_000, ids: [1, 2, 3, 4] },
  ])
  await pass(200_000)
  assert.deepEqual(lost, [])
})

test('nothing is asked once the last claim is dropped, and the third begins anew with the next', async () => {
  const { hold, drop, asked } = bench(claims => claims)
  hold(1)
  await pass(10_000)
  drop(1)
  await pass(50_000)
  assert.deepEqual(asked, [])
  hold(2)
  await pass(20_000)
  assert.deepEqual(asked, [{ at: 80_000, ids: [2] }])
})

test('a claim that the database no longer grants is lost, the others stay', async () => {
  const { hold, asked, lost } = bench(claims => claims.filter(({ id }) => id !== 2))
  hold(1)
  hold(2)
  await pass(40_000)
  assert.deepEqual(lost, [{ id: 2, at: 20_000 }])
  assert.deepEqual(asked.at(-1)?.ids, [1])
})

test('the same row claimed anew is another claim', async () => {
  const { leases, lost } = bench(claims => claims.filter(({ claimToken }) => claimToken === 2))
  const holder = (id: number) => ({
    loseLease: () => lost.push({ id, at: Date.now() }),
    settling: () => false,
  })
  leases.hold({ id: 1, claimToken: 1 }, 0, holder(11))
  leases.hold({ id: 1, claimToken: 2 }, 0, holder(12))
  leases.drop({ id: 1, claimToken: 3 })
  await pass(20_000)
  assert.deepEqual(
    lost.map(({ id }) => id),
    [11],
  )
})

test('a renewal that overtakes the answer to a settlement loses nothing', async () => {
  const { hold, drop, renewal, lost, settling } = bench()
  hold(1)
  hold(2)
  hold(3)
  await pass(20_000)
  settling.add(1)
  drop(2)
  renewal.at(0).resolve([])
  await settled()
  assert.deepEqual(
    lost.map(({ id }) => id),
    [3],
    '1 is being settled, 2 was settled meanwhile',
  )
})

test('while nothing can be renewed it tries each second, and gives up when the lease is over here', async () => {
  const { hold, asked, lost } = bench(none)
  hold(1)
  await pass(1000)
  hold(2)
  await pass(59_000 - 1, 250)
  assert.deepEqual(lost, [])
  assert.equal(asked.length, 40)
  await pass(1, 1)
  assert.deepEqual(lost, [{ id: 1, at: 60_000 }])
  await pass(1000)
  assert.deepEqual(lost[1], { id: 2, at: 61_000 })
  const before = asked.length
  await pass(60_000)
  assert.equal(asked.length, before)
})

test('also one that is being settled is given up when its lease is over', async () => {
  const { hold, lost, settling } = bench(none)
  hold(1)
  settling.add(1)
  await pass(60_000)
  assert.deepEqual(lost, [{ id: 1, at: 60_000 }])
})

test('a renewal that hangs does not keep a claim beyond its lease', async () => {
  const { hold, renewal, lost } = bench()
  hold(1)
  await pass(30_000)
  hold(2)
  await pass(30_000)
  assert.deepEqual(lost, [{ id: 1, at: 60_000 }])
  assert.equal(renewal.calls.length, 1, 'never two renewals at once')
  await pass(30_000)
  renewal.at(0).resolve([{ id: 1, claimToken: 1 }])
  await pass(120_000)
  assert.deepEqual(lost[1], { id: 2, at: 90_000 })
  assert.equal(renewal.calls.length, 1)
})

test('the lease counts from when its renewal was sent, not from its answer', async () => {
  const { hold, renewal, lost } = bench()
  hold(1)
  await pass(35_000)
  renewal.at(0).resolve([{ id: 1, claimToken: 1 }])
  await pass(44_999)
  assert.deepEqual(lost, [])
  await pass(1)
  assert.deepEqual(lost, [{ id: 1, at: 80_000 }])
})

test('a lease that was over when the claim arrived is given up at once, also beside younger ones', async () => {
  const { hold, lost } = bench(claims => claims)
  await pass(100_000)
  hold(1)
  hold(2, 100_000 - LEASE)
  await pass(1, 1)
  assert.deepEqual(lost, [{ id: 2, at: 100_001 }])
})

test('more than 500 claims go in pages; a page that fails leaves those renewed before it', async () => {
  let fail = false
  const { hold, asked, lost } = bench(claims => {
    if (fail && claims.length < 500) throw new Error('no answer')
    return claims
  })
  for (let id = 1; id <= 501; id++) hold(id)
  await pass(20_000)
  assert.deepEqual(
    asked.map(({ ids }) => ids.length),
    [500, 1],
  )
  fail = true
  await pass(60_000)
  assert.deepEqual(lost, [{ id: 501, at: 80_000 }])
})

test('stop leaves no timer, also with a renewal under way and when claims come later', async () => {
  const { leases, hold, renewal, asked, lost } = bench()
  hold(1)
  await pass(20_000)
  leases.stop()
  hold(2)
  renewal.at(0).resolve([])
  await pass(200_000)
  assert.equal(asked.length, 1)
  assert.deepEqual(lost, [])
  leases.stop()
})

test('by default it reads the monotonic clock', async () => {
  mock.timers.reset()
  const lost = Promise.withResolvers<void>()
  const leases = keepLeases({ leaseMs: 30, renew: async () => none(), log: SILENT })
  const sentAt = performance.now()
  leases.hold({ id: 1, claimToken: 1 }, sentAt, { loseLease: lost.resolve, settling: () => false })
  await lost.promise
  assert.ok(performance.now() - sentAt >= 30)
})
