import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { bench } from './dispatcher-bench.ts'
import { claimOf, claimsFrom, settled } from './support.ts'

let ended = false
beforeEach(() => {
  ended = false
})
const end = () => {
  ended = true
}

test('with nothing to do it is over at once, and leaves no timer', async () => {
  const { dispatcher, asked } = bench(2)
  await dispatcher.drain(1_000_000, 1_000_000)
  await dispatcher.drain(1_000_000, 1_000_000)
  dispatcher.look()
  assert.deepEqual(asked(), [])
  assert.deepEqual(
    process.getActiveResourcesInfo().filter(resource => resource === 'Timeout'),
    [],
  )
})

test('lanes may finish, what waits is given back, both callers are told', async () => {
  const { dispatcher, lookAndGive, told, endLane, answer, lane } = bench(1)
  await lookAndGive(claimsFrom(1, 2))
  const both = Promise.all([dispatcher.drain(60_000, 1000), dispatcher.drain(60_000, 1000)]).then(end)
  await settled()
  assert.deepEqual(told(), ['2 interrupted stopping'])
  assert.equal(lane.at(0).args[1].aborted, false)
  await endLane(0)
  await answer(0)
  assert.equal(ended, false)
  await answer(1)
  await both
  assert.deepEqual(told(), ['2 interrupted stopping', '1 uploaded'])
})

test('lanes that take too long are interrupted when the time is over', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { dispatcher, lookAndGive, told, answer, lane } = bench(2)
  await lookAndGive(claimsFrom(1, 2))
  const drained = dispatcher.drain(20_000, 5000).then(end)
  t.mock.timers.tick(19_999)
  await settled()
  assert.deepEqual(told(), [])
  t.mock.timers.tick(1)
  await settled()
  assert.deepEqual(told(), ['1 interrupted stopping', '2 interrupted stopping'])
  assert.equal(lane.at(0).args[1].aborted, true)
  await answer(0)
  await answer(1)
  await drained
})

test('a database that never answers is given up after the grace', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { dispatcher, lookAndGive, endLane } = bench(1)
  await lookAndGive(claimsFrom(1, 1))
  await endLane(0)
  const drained = dispatcher.drain(20_000, 5000).then(end)
  t.mock.timers.tick(24_999)
  await settled()
  assert.equal(ended, false)
  t.mock.timers.tick(1)
  await drained
  assert.equal(dispatcher.counts().live, 1, 'says what it left behind')
})

test('a claim under way is waited for, and what it brings is given back without being begun', async () => {
  const { dispatcher, lookAndGive, give, endLane, answer, begun, told } = bench(2)
  await lookAndGive(claimsFrom(1, 1))
  dispatcher.look()
  const drained = dispatcher.drain(60_000, 1000).then(end)
  await endLane(0)
  await answer(0)
  assert.equal(ended, false, 'the last claim held is settled, but another one is on its way')
  await give(claimsFrom(2, 2))
  assert.deepEqual(begun(), [1])
  assert.deepEqual(told(), ['1 uploaded', '2 interrupted stopping', '3 interrupted stopping'])
  await answer(1)
  assert.equal(ended, false)
  await answer(2)
  await drained
})

test('a claim under way that fails ends it', async () => {
  const { dispatcher, claiming, failed } = bench(2)
  dispatcher.look()
  const drained = dispatcher.drain(60_000, 1000)
  claiming.at(0).reject(new Error('gone'))
  await drained
  assert.equal(failed.length, 1)
})

test('one that waits to run alone is given back', async () => {
  const { dispatcher, lookAndGive, give, told, answer, endLane } = bench(2)
  await lookAndGive([claimOf(1)])
  dispatcher.look()
  await give([claimOf(2, { lostLeases: 2 })])
  const drained = dispatcher.drain(60_000, 1000)
  await settled()
  assert.deepEqual(told(), ['2 interrupted stopping'])
  await answer(0)
  await endLane(0)
  await answer(1)
  await drained
  assert.equal(dispatcher.counts().claimed, 0)
})
