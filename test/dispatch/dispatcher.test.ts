import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bench } from './dispatcher-bench.ts'
import { claimOf, claimsFrom, settled } from './support.ts'

describe('claiming', () => {
  test('never two claims at once; what is asked meanwhile becomes one further claim', async () => {
    const { dispatcher, claiming, give } = bench(2)
    for (let times = 0; times < 5; times++) dispatcher.look()
    assert.equal(claiming.calls.length, 1)
    for (let times = 0; times < 5; times++) dispatcher.look()
    assert.equal(claiming.calls.length, 1)
    await give([])
    assert.equal(claiming.calls.length, 2)
    await give([])
    assert.equal(claiming.calls.length, 2)
  })

  test('as many as lanes are free and a small prefetch; busy lanes wait for room before the next', async () => {
    const { dispatcher, asked, lookAndGive, give, endLane, begun } = bench(4)
    await lookAndGive(claimsFrom(1, 8))
    assert.deepEqual(asked(), [8], 'a full answer means more is due, and there is no room yet')
    assert.deepEqual(begun(), [1, 2, 3, 4])
    assert.deepEqual(dispatcher.counts(), { claimed: 8, inLanes: 4, live: 8, paused: false })
    assert.deepEqual(dispatcher.states(), { resolving: 4, waiting: 4 })
    assert.equal(dispatcher.laneLimit(), 4)
    dispatcher.limitLanes(2)
    assert.equal(dispatcher.laneLimit(), 2)
    dispatcher.limitLanes(4)

    for (const lane of [0, 1, 2]) await endLane(lane)
    assert.deepEqual(asked(), [8])
    await endLane(3)
    assert.deepEqual(asked(), [8, 4], 'four lanes were left: one claim brings four')
    assert.deepEqual(begun(), [1, 2, 3, 4, 5, 6, 7, 8])
    await give(claimsFrom(9, 4))
    assert.equal(dispatcher.counts().claimed, 8)
  })

  test('at speed a claim brings what lanes take in 100 ms, and is asked for before they are empty', async () => {
    let now = 0
    const { asked, lookAndGive, give, endLane, begun } = bench(2, () => now)
    await lookAndGive(claimsFrom(1, 4))
    for (const lane of [0, 1]) await endLane(lane)
    assert.deepEqual(asked(), [4, 2])
    now = 20
    await give(claimsFrom(5, 2))
    // Four in lanes within 40 ms after the claim that took 20 are not looked at yet: a window is 100 ms.
    now = 60
    for (const lane of [2, 3]) await endLane(lane)
    assert.deepEqual(asked(), [4, 2, 2])
    await give(claimsFrom(7, 2))
    // Seven have begun when 100 ms are over: a claim brings seven from now on, and not before there is room for them.
    now = 100
    await endLane(4)
    assert.deepEqual(asked(), [4, 2, 2])
    for (const lane of [5, 6]) await endLane(lane)
    assert.deepEqual(asked(), [4, 2, 2, 7])
    assert.equal(begun().length, 8)
    await give(claimsFrom(9, 7))

    // Nothing ends for a second: the next claim is as small as at the beginning.
    now = 1100
    for (const lane of [7, 8, 9, 10, 11]) await endLane(lane)
    assert.deepEqual(asked().slice(4), [])
    await endLane(12)
    assert.deepEqual(asked().slice(4), [2])
  })

  test('says which of the announced it asked for, and which rows it was given', async () => {
    const { lookAndGive, answered, state } = bench(2)
    state.woken.push(7, 6, 5)
    await lookAndGive([claimOf(7), claimOf(1)])
    assert.deepEqual(answered, [{ asked: [7, 6], given: [7, 1] }])
    await lookAndGive([])
    assert.deepEqual(answered.slice(1), [{ asked: [5], given: [] }])
  })

  test('an answer that is not full ends it until the next look', async () => {
    const { dispatcher, asked, lookAndGive, endLane } = bench(2)
    await lookAndGive(claimsFrom(1, 3))
    for (const lane of [0, 1, 2]) await endLane(lane)
    assert.deepEqual(asked(), [4])
    dispatcher.look()
    assert.deepEqual(asked(), [4, 4])
  })

  test('a claim is never larger than 500, however many lanes there are', async () => {
    const { dispatcher, asked, lookAndGive, give } = bench(400)
    await lookAndGive(claimsFrom(1, 500))
    assert.deepEqual(asked(), [500], 'there is room for 300, which is less than a claim waits for')
    await give([])
    dispatcher.look()
    assert.deepEqual(asked(), [500])
  })

  test('nothing is claimed while a circuit is open; the look is made up for at the next one', async () => {
    const { dispatcher, asked, state, lookAndGive, endLane, give } = bench(2)
    await lookAndGive(claimsFrom(1, 4))
    state.open = 'storage'
    dispatcher.look()
    for (const lane of [0, 1, 2, 3]) await endLane(lane)
    assert.deepEqual(asked(), [4])
    state.open = null
    dispatcher.look()
    assert.deepEqual(asked(), [4, 4])
    await give([])
  })

  test('a paused answer is shown and asks no further', async () => {
    const { dispatcher, asked, give } = bench(2)
    dispatcher.look()
    await give([], true)
    assert.equal(dispatcher.counts().paused, true)
    assert.deepEqual(asked(), [4])
    dispatcher.look()
    await give([])
    assert.equal(dispatcher.counts().paused, false)
  })

  test('announced ids go along, no more than a claim can prefer', async () => {
    const { dispatcher, claiming, state, give } = bench(2)
    state.woken = [9, 8, 7]
    dispatcher.look()
    assert.deepEqual(claiming.at(0).args, [[9, 8], 4])
    assert.deepEqual(state.woken, [7], 'the rest is kept for the next claim')
    dispatcher.look()
    await give([])
    assert.deepEqual(claiming.at(1).args, [[7], 4])
  })

  test('a claim that fails is told, and does not stand in the way of the next', async () => {
    const { dispatcher, claiming, failed, give, begun } = bench(2)
    dispatcher.look()
    const error = new Error('no database')
    claiming.at(0).reject(error)
    await settled()
    assert.deepEqual(failed, [error])
    assert.equal(claiming.calls.length, 1)
    dispatcher.look()
    await give(claimsFrom(1, 1))
    assert.deepEqual(begun(), [1])
  })

  test('what is claimed while a circuit opens is given back before a lane begins with it', async () => {
    const { dispatcher, state, give, begun, told, settle } = bench(2)
    dispatcher.look()
    state.open = 'whatsapp'
    await give(claimsFrom(1, 2))
    assert.deepEqual(begun(), [])
    assert.deepEqual(told(), ['1 interrupted whatsapp_down', '2 interrupted whatsapp_down'])
    const [, settlement] = settle.at(0).args
    assert.ok(settlement.outcome === 'interrupted')
    assert.equal(settlement.retryInMs, 7000)
  })

  test('while the database is slow to answer settlements, lanes go on up to a bound', async () => {
    const { dispatcher, asked, give, lane, settle } = bench(500)
    dispatcher.look()
    let ended = 0
    for (let given = 0; given < asked().length; given++) {
      await give(claimsFrom(1 + 500 * given, 500))
      for (; ended < lane.calls.length; ended++) lane.at(ended).resolve(undefined)
      await settled()
    }
    assert.deepEqual(asked(), [500, 500, 500, 500])
    assert.equal(dispatcher.counts().live, 2000)
    for (let index = 0; index < 499; index++) settle.at(index).resolve('applied')
    await settled()
    assert.equal(asked().length, 4)
    settle.at(499).resolve('applied')
    await settled()
    assert.equal(asked().length, 5, 'answers make room')
  })
})

describe('lanes', () => {
  test('at most `concurrency` at once, in the order of the claim; leases are held and dropped', async () => {
    const { dispatcher, lookAndGive, begun, endLane, answer, leases, finished } = bench(1)
    await lookAndGive(claimsFrom(1, 3))
    assert.deepEqual(begun(), [1])
    assert.deepEqual([...leases.keys()], [1, 2, 3])
    await endLane(0)
    assert.deepEqual(begun(), [1, 2])
    assert.equal(dispatcher.counts().live, 3)
    await answer(0)
    assert.deepEqual([...leases.keys()], [2, 3])
    assert.deepEqual(
      finished.map(({ claim }) => claim.id),
      [1],
    )
  })

  test('a lost lease frees its lane and settles nothing', async () => {
    const { dispatcher, lookAndGive, begun, lane, leases, told, finished } = bench(1)
    await lookAndGive(claimsFrom(1, 2))
    leases.get(1)?.loseLease()
    await settled()
    assert.equal(lane.at(0).args[1].aborted, true)
    assert.deepEqual(begun(), [1, 2])
    assert.deepEqual(told(), [])
    assert.equal(finished[0]?.output.lost, true)
    assert.deepEqual(dispatcher.counts(), { claimed: 1, inLanes: 1, live: 1, paused: false })
  })

  test('giveBackWaiting takes those that no lane has begun with', async () => {
    const { dispatcher, lookAndGive, told, lane, answer, endLane, begun } = bench(1)
    await lookAndGive(claimsFrom(1, 3))
    dispatcher.giveBackWaiting('pause', 0)
    await settled()
    assert.deepEqual(told(), ['2 interrupted paused', '3 interrupted paused'])
    assert.equal(lane.at(0).args[1].aborted, false)
    await answer(0)
    await answer(1)
    await endLane(0)
    assert.deepEqual(begun(), [1])
    assert.equal(dispatcher.counts().claimed, 0)
  })
})

describe('a row that has cost two workers their lease', () => {
  const suspect = claimOf(9, { lostLeases: 2 })

  test('runs when nobody else holds a claim here, and the others come back afterwards', async () => {
    const { dispatcher, lookAndGive, begun, told, endLane, answer, asked, give } = bench(2)
    await lookAndGive(claimsFrom(1, 2))
    dispatcher.look()
    await give([suspect])
    dispatcher.look()
    assert.deepEqual(asked(), [4, 2], 'nothing is claimed beside it')
    assert.deepEqual(begun(), [1, 2])
    await endLane(0)
    await endLane(1)
    await answer(0)
    assert.deepEqual(begun(), [1, 2], 'as long as one lease is held it could be lost')
    await answer(1)
    assert.deepEqual(begun(), [1, 2, 9])
    assert.equal(dispatcher.counts().live, 1)
    assert.deepEqual(told(), ['1 uploaded', '2 uploaded'])
    await endLane(2)
    assert.deepEqual(asked(), [4, 2, 4], 'what else is due is asked for at once')
    await give(claimsFrom(3, 1))
    assert.deepEqual(begun(), [1, 2, 9, 3])
  })

  test('what no lane has begun with is given back for it', async () => {
    const { dispatcher, lookAndGive, begun, told, endLane, answer, give } = bench(3)
    await lookAndGive(claimsFrom(1, 3))
    dispatcher.limitLanes(1)
    await endLane(0)
    await endLane(1)
    await endLane(2)
    dispatcher.look()
    await give([claimOf(4), claimOf(5), claimOf(6)])
    dispatcher.look()
    await give([suspect])
    assert.deepEqual(told(), [
      '1 uploaded',
      '2 uploaded',
      '3 uploaded',
      '5 interrupted stood_aside',
      '6 interrupted stood_aside',
    ])
    assert.deepEqual(begun(), [1, 2, 3, 4])
    await endLane(3)
    for (let index = 0; index < 6; index++) await answer(index)
    assert.deepEqual(begun(), [1, 2, 3, 4, 9])
  })

  test('at once when nothing is held', async () => {
    const { lookAndGive, begun, told, endLane, answer, dispatcher } = bench(2)
    await lookAndGive([suspect])
    assert.deepEqual(begun(), [9])
    await endLane(0)
    await answer(0)
    assert.deepEqual(told(), ['9 uploaded'])
    assert.equal(dispatcher.counts().live, 0)
  })

  test('its lost lease while it waits lets the others go on', async () => {
    const { dispatcher, lookAndGive, begun, leases, answer, endLane, asked, give } = bench(2)
    await lookAndGive(claimsFrom(1, 1))
    dispatcher.look()
    await give([suspect])
    leases.get(9)?.loseLease()
    await settled()
    assert.deepEqual(asked(), [4, 3, 3], 'a lane was free, so that nothing had to be waited for')
    await give([claimOf(5)])
    assert.deepEqual(begun(), [1, 5])
    await endLane(0)
    await answer(0)
  })
})
