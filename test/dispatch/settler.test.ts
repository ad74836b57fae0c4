import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OutboxEntry, SettleAnswer, SettlementOfClaim } from '../../src/attachment.ts'
import { badValue, bench, entryOf, noAnswer, retry, signal, uploaded } from './settler-bench.ts'
import { claimOf, settled, storedFor } from './support.ts'

describe('batches', () => {
  test('what comes within the window goes in one call, each to its own answer', async t => {
    const { settler, call, batches, tick } = bench(t)
    const first = settler.settle(claimOf(1), retry, signal())
    tick(49)
    const second = settler.settle(claimOf(2), retry, signal())
    await settled()
    assert.deepEqual(batches, [])
    tick(1)
    assert.deepEqual(batches, [[1, 2]])
    const third = settler.settle(claimOf(3), retry, signal())
    tick(50)
    assert.deepEqual(batches, [[1, 2], [3]], 'a call under way holds up nobody')
    call.at(1).resolve(['applied'])
    assert.equal(await third, 'applied')
    call.at(0).resolve(['lost', 'already'])
    assert.deepEqual(await Promise.all([first, second]), ['lost', 'already'])
  })

  test('after a batch of twenty the next one waits twice as long, until one is small again', async t => {
    const { settler, batches, tick } = bench(t, items => items.map(() => 'applied'))
    const give = (from: number, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, at) => settler.settle(claimOf(from + at), retry, signal())),
      )
    const first = give(1, 20)
    tick(50)
    await first
    const second = give(21, 1)
    tick(50)
    await settled()
    assert.equal(batches.length, 1)
    tick(50)
    await second
    const third = give(22, 1)
    tick(50)
    await third
    assert.deepEqual(
      batches.map(({ length }) => length),
      [20, 1, 1],
    )
  })

  test('at most 200 in one', async t => {
    const { settler, batches, tick } = bench(t, items => items.map(() => 'applied'))
    const all = Promise.all(
      Array.from({ length: 450 }, (_, index) => settler.settle(claimOf(index + 1), retry, signal())),
    )
    tick(50)
    await all
    assert.deepEqual(
      batches.map(({ length }) => length),
      [200, 200, 50],
    )
  })
})

describe('the outbox', () => {
  test('holds an upload from before the database is told until it has answered', async t => {
    const { settler, call, story, outbox, tick } = bench(t)
    const claim = claimOf(1)
    const answer = settler.settle(claim, uploaded(claim), signal())
    tick(50)
    assert.deepEqual(story, ['put 1', 'settle 1'])
    assert.deepEqual([...outbox.values()], [entryOf(1)])
    call.at(0).resolve(['lost'])
    await answer
    assert.deepEqual(story, ['put 1', 'settle 1', 'remove 1'])
  })

  test('is written once before and once after each call', async t => {
    const { settler, call, story, tick } = bench(t)
    const both = Promise.all([1, 2].map(id => settler.settle(claimOf(id), uploaded(claimOf(id)), signal())))
    const third = settler.settle(claimOf(3), retry, signal())
    tick(50)
    call.at(0).resolve(['applied', 'already', 'applied'])
    await Promise.all([both, third])
    assert.deepEqual(story, ['put 1,2', 'settle 1,2,3', 'remove 1,2'])
  })

  test('keeps what the database gave no answer to', async t => {
    const { settler, outbox, tick } = bench(t, items => {
      if (items.some(({ id }) => id === 1)) throw items.length > 1 ? badValue() : noAnswer()
      return items.map(() => 'applied')
    })
    const lease = new AbortController()
    const first = assert.rejects(settler.settle(claimOf(1), uploaded(claimOf(1)), lease.signal))
    const second = settler.settle(claimOf(2), uploaded(claimOf(2)), signal())
    tick(50)
    assert.equal(await second, 'applied')
    assert.deepEqual([...outbox.values()], [entryOf(1)])
    lease.abort()
    await first
  })

  test('is not for anything else', async t => {
    const { settler, story, tick } = bench(t, items => items.map(() => 'applied'))
    const answer = settler.settle(claimOf(1), retry, signal())
    tick(50)
    await answer
    assert.deepEqual(story, ['settle 1'])
  })

  test('an answer that comes after the claim was given up still strikes it out', async t => {
    const { settler, call, outbox, tick } = bench(t)
    const lease = new AbortController()
    const claim = claimOf(1)
    const answer = settler.settle(claim, uploaded(claim), lease.signal)
    tick(50)
    lease.abort(new Error('lease lost'))
    call.at(0).resolve(['applied'])
    assert.equal(await answer, 'applied')
    assert.equal(outbox.size, 0)
  })
})

describe('while the database is down', () => {
  test('it opens the circuit and tells again when that closes, until there is an answer', async t => {
    const { settler, call, story, wait, tick } = bench(t)
    const answer = settler.settle(claimOf(1), retry, signal())
    for (const attempt of [0, 1]) {
      tick(50)
      call.at(attempt).reject(noAnswer())
      await settled()
      tick(1_000_000)
      assert.equal(call.calls.length, attempt + 1, 'nothing is asked before the circuit closes')
      wait.at(attempt).resolve()
      await settled()
    }
    tick(50)
    call.at(2).resolve(['already'])
    assert.equal(await answer, 'already')
    assert.deepEqual(story, ['settle 1', 'trip database', 'settle 1', 'trip database', 'settle 1'])
  })

  test('a claim that is lost meanwhile is told no more; its upload stays in the outbox', async t => {
    const { settler, call, outbox, wait, tick } = bench(t)
    const lease = new AbortController()
    const claim = claimOf(1)
    const answer = assert.rejects(settler.settle(claim, uploaded(claim), lease.signal), /lease lost/)
    tick(50)
    call.at(0).reject(noAnswer())
    await settled()
    assert.equal(wait.calls.length, 1)
    lease.abort(new Error('lease lost'))
    await answer
    tick(1_000_000)
    await settled()
    assert.equal(call.calls.length, 1)
    assert.equal(outbox.size, 1)
  })

  test('a claim that was lost before is not told at all', async t => {
    const { settler, batches, tick } = bench(t, items => items.map(() => 'applied'))
    await assert.rejects(settler.settle(claimOf(1), retry, AbortSignal.abort(new Error('gone'))), /gone/)
    tick(50)
    await settled()
    assert.deepEqual(batches, [])
  })
})

describe('a value that the database refuses', () => {
  /** Refuses whole batches because of one of these ids, as long as its text stands in it. */
  const refusing = (bad: readonly number[], seen: SettlementOfClaim[] = []) => {
    return (items: readonly SettlementOfClaim[]): SettleAnswer[] => {
      const refused = ({ id, settlement }: SettlementOfClaim) =>
        bad.includes(id) &&
        (settlement.outcome === 'uploaded'
          ? settlement.contentType !== 'application/octet-stream' || settlement.notes.length > 0
          : !settlement.message.startsWith('The database refused'))
      if (items.some(refused)) throw badValue()
      seen.push(...items)
      return items.map(() => 'applied')
    }
  }

  test('costs only its own row the text, and nobody the answer', async t => {
    const seen: SettlementOfClaim[] = []
    const { settler, batches, story, tick } = bench(t, refusing([3, 6], seen))
    const all = [1, 2, 3, 4, 5].map(id => settler.settle(claimOf(id), retry, signal()))
    const claim = claimOf(6)
    const note = { event: 'type_differs', detail: {} }
    all.push(settler.settle(claim, { outcome: 'uploaded', ...storedFor(claim), notes: [note] }, signal()))
    tick(50)
    await settled()
    tick(50)
    assert.deepEqual(new Set(await Promise.all(all)), new Set(['applied']))
    assert.deepEqual(seen.map(({ id }) => id).toSorted(), [1, 2, 3, 4, 5, 6], 'each is settled once')
    assert.deepEqual(batches.at(-1), [3, 6])
    const [third, sixth] = seen.slice(-2)
    assert.ok(third?.settlement.outcome === 'retry')
    assert.equal(third.settlement.code, 'integrity')
    assert.equal(third.settlement.retryInMs, 5)
    assert.ok(sixth?.settlement.outcome === 'uploaded')
    assert.equal(sixth.settlement.objectKey, '4/6-1.jpg')
    assert.ok(!story.includes('trip database'))
  })

  test('an outage in the middle of it is waited for', async t => {
    const { settler, call, wait, tick } = bench(t)
    const answer = settler.settle(claimOf(1), retry, signal())
    tick(50)
    call.at(0).reject(badValue())
    await settled()
    tick(50)
    call.at(1).reject(noAnswer())
    await settled()
    wait.at(0).resolve()
    await settled()
    tick(50)
    const [[item]] = call.at(2).args
    assert.ok(item?.settlement.outcome === 'retry')
    assert.match(item.settlement.message, /^The database refused/)
    call.at(2).resolve(['applied'])
    assert.equal(await answer, 'applied')
  })

  test('one that is refused without its texts too is given up', async t => {
    const { settler, batches, tick } = bench(t, () => {
      throw badValue()
    })
    const answer = assert.rejects(settler.settle(claimOf(1), retry, signal()), /bad value/)
    tick(50)
    await settled()
    tick(50)
    await answer
    assert.equal(batches.length, 2)
  })
})

describe('flushOutbox', () => {
  const fill = (outbox: Map<string, OutboxEntry>, entries: readonly OutboxEntry[]) => {
    for (const entry of entries) outbox.set(`${entry.id}-${entry.claimToken}`, entry)
  }

  test('settles in pages what was left, and answers for each', async t => {
    const { settler, outbox, batches } = bench(t, items =>
      items.map(({ id }) => (id === 2 ? 'lost' : 'applied')),
    )
    fill(
      outbox,
      Array.from({ length: 201 }, (_, index) => entryOf(index + 1)),
    )
    const answered = await settler.flushOutbox()
    assert.equal(answered.length, 201)
    assert.deepEqual(answered[1], { entry: entryOf(2), answer: 'lost' })
    assert.deepEqual(
      batches.map(({ length }) => length),
      [200, 1],
    )
    assert.equal(outbox.size, 0)
  })

  test('with an empty outbox the database is not asked', async t => {
    const { settler, batches } = bench(t)
    assert.deepEqual(await settler.flushOutbox(), [])
    assert.deepEqual(batches, [])
  })

  test('rejects when the database does not answer, and keeps everything', async t => {
    const { settler, outbox } = bench(t, () => {
      throw noAnswer()
    })
    fill(outbox, [entryOf(1), entryOf(2)])
    await assert.rejects(settler.flushOutbox(), /no answer/)
    assert.equal(outbox.size, 2)
  })

  test('an entry that the database refuses stands in nobody’s way', async t => {
    const { settler, outbox } = bench(t, items => {
      const refused = ({ id, settlement }: SettlementOfClaim) =>
        id === 2 || (id === 3 && settlement.outcome === 'uploaded' && settlement.contentType === 'bad')
      if (items.some(refused)) throw badValue()
      return items.map(() => 'applied')
    })
    fill(outbox, [entryOf(1), entryOf(2), entryOf(3, 'bad'), entryOf(4)])
    const answered = await settler.flushOutbox()
    assert.deepEqual(
      answered.map(({ entry }) => entry.id),
      [1, 3, 4],
      '2 is refused for good: its row is claimed again',
    )
    assert.equal(outbox.size, 0)
  })
})
