import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { parseFilters } from '../../../src/local/realtime/filters.ts'
import { realtimeDatabase, testServer } from './support.ts'

test('a filter is read into column, operator, values and sign', () => {
  assert.deepEqual(parseFilters('worker=eq.a.b=c'), [
    { column: 'worker', operator: 'eq', values: ['a.b=c'], negate: false },
  ])
  assert.deepEqual(parseFilters('a=not.in.(x,y),b=gte.3'), [
    { column: 'a', operator: 'in', values: ['x', 'y'], negate: true },
    { column: 'b', operator: 'gte', values: ['3'], negate: false },
  ])
  assert.deepEqual(parseFilters('  '), [])
  assert.throws(() => parseFilters('undefined'), { message: '["undefined"]' })
  assert.throws(() => parseFilters('a=foo.hey'), { message: '["foo", "hey"]' })
  assert.throws(() => parseFilters('a=in.1,2'), {
    message: '`in` filter value must be wrapped by parentheses',
  })
})

/** Which of the rows 1, 2, 3 and NULL each filter lets through. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  'shard=eq.2': ['2'],
  'shard=eq.02': ['2'],
  'shard=neq.2': ['1', '3'],
  'shard=lt.2': ['1'],
  'shard=lte.2': ['1', '2'],
  'shard=gt.2': ['3'],
  'shard=gte.2': ['2', '3'],
  'shard=in.(1,3)': ['1', '3'],
  'shard=not.in.(1,3)': ['2'],
  'shard=not.eq.1': ['2', '3'],
  'shard=gte.1,shard=lt.3,note=neq.1': ['2'],
  'note=eq.3': ['3'],
  'note=in.(1,2)': ['1', '2'],
  'note=gt.1': ['2', '3', 'none'],
  'note=not.lte.2': ['3', 'none'],
  'seq=gt.0': ['1', '2', '3', 'none'],
  'id=eq.00000000-0000-0000-0000-00000000000A': ['3'],
  'id=not.eq.00000000-0000-0000-0000-00000000000a': ['1', '2', 'none'],
}

describe('filters choose rows as PostgreSQL compares them', async () => {
  const database = await realtimeDatabase({ after })
  const { server, connect } = await testServer(database)
  for (const [filter, expected] of Object.entries(CASES)) {
    test(filter, async () => {
      const client = await connect()
      await client.listen('filters', [{ event: 'INSERT', schema: 'public', table: 'sharded', filter }])
      await database.sql('truncate sharded')
      await database.sql(`insert into sharded (id, shard, note) values
        (gen_random_uuid(), 1, '1'), (gen_random_uuid(), 2, '2'),
        ('00000000-0000-0000-0000-00000000000a', 3, '3'), (gen_random_uuid(), null, 'none')`)
      await server.caughtUp()
      await client.beat()
      assert.deepEqual(client.notes(), expected)
      client.socket.terminate()
    })
  }

  test('the canary: an UPDATE of one row among others, with its xid8 and enum as strings', async () => {
    await database.sql("insert into canary (worker, beat) values ('w1', 0), ('w2', 0)")
    const client = await connect()
    const binding = { event: 'UPDATE', schema: 'public', table: 'canary', filter: 'worker=eq.w1' }
    await client.listen('canary', [{ event: 'INSERT', schema: 'public', table: 'attachments' }, binding])
    await database.sql('update canary set beat = beat + 1')
    const frame = JSON.parse(await client.frames.take())
    assert.deepEqual(
      { ...frame[4].data.record, xid: typeof frame[4].data.record.xid },
      { worker: 'w1', beat: 1, xid: 'string', mood: 'SAD' },
    )
    assert.deepEqual(frame[4].data.old_record, { worker: 'w1' })
    await server.caughtUp()
    await client.beat()
    assert.deepEqual(client.frames.items, [])
  })

  test('a deleted row is known by its key alone: a filter on anything else lets none through', async () => {
    const client = await connect()
    for (const filter of ['worker=eq.w1', 'beat=gte.0']) {
      await client.listen(filter, [{ event: 'DELETE', schema: 'public', table: 'canary', filter }])
    }
    await database.sql('delete from canary')
    const frame = JSON.parse(await client.frames.take())
    assert.equal(frame[2], 'realtime:worker=eq.w1')
    assert.deepEqual(frame[4].data.old_record, { worker: 'w1' })
    await server.caughtUp()
    await client.beat()
    assert.deepEqual(client.frames.items, [])
  })
})
