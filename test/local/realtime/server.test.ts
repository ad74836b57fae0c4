import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { fakeClock } from './fake-clock.ts'
import { listener } from './listener.ts'
import { realtimeDatabase, testServer } from './support.ts'

const ALL = [{ event: '*', schema: 'public', table: 'attachments' }]

describe('what is delivered', { timeout: 60_000 }, async () => {
  const database = await realtimeDatabase({ after })
  const realtime = await testServer(database)
  const { server, connect } = realtime

  async function listening() {
    const client = await connect()
    await client.listen('rows', ALL)
    return {
      ...client,
      async rest(): Promise<string[]> {
        await server.caughtUp()
        await client.beat()
        return client.notes()
      },
    }
  }

  test('realtime-js hears inserts and its own canary in one channel, with eventType, new and old', async () => {
    await database.sql("insert into canary (worker, beat) values ('w1', 1), ('w2', 1)")
    const found = listener(realtime, database, { bindings: [] })
    const heard: unknown[] = []
    const last = Promise.withResolvers<void>()
    const ready = Promise.withResolvers<void>()
    found.client
      .channel('both')
      .on('postgres_changes', { event: 'INSERT', schema: 'public', table: 'attachments' }, change => {
        heard.push([change.eventType, change.new.note, change.old])
      })
      .on(
        'postgres_changes',
        { event: 'UPDATE', schema: 'public', table: 'canary', filter: 'worker=eq.w1' },
        change => {
          heard.push([change.eventType, change.new.beat, change.old])
          last.resolve()
        },
      )
      .on('system', {}, () => ready.resolve())
      .subscribe()
    await ready.promise
    await database.sql("insert into attachments (note) values ('picture')")
    await database.sql('update canary set beat = beat + 1')
    await last.promise
    assert.deepEqual(heard, [
      ['INSERT', 'picture', {}],
      ['UPDATE', 2, { worker: 'w1' }],
    ])
    await found.close()
  })

  test('realtime-js is told of a table that is not published by a system frame, after SUBSCRIBED', async () => {
    const found = listener(realtime, database, {
      bindings: [{ event: '*', schema: 'public', table: 'notpub' }],
    })
    found.join('notpub')
    assert.equal(await found.statuses.take(), 'SUBSCRIBED')
    assert.match(
      await found.system.take(),
      /^Unable to subscribe .*table: notpub, filters: \[\], select: nil\]$/,
    )
    await found.close()
  })

  test('nothing committed before the join comes, even when it is still on its way', async () => {
    await database.sql("insert into attachments (note) select 'early' from generate_series(1, 10000)")
    const client = await listening()
    await database.sql("insert into attachments (note) values ('first')")
    assert.deepEqual(await client.rest(), ['first'])
  })

  test('rows come in the order of commits, then of statements; what was rolled back does not', async () => {
    const client = await listening()
    const [a, b] = [await database.connect(), await database.connect()]
    const insert = (note: string): string => `insert into attachments (note) values ('${note}')`
    await a.query(`begin; ${insert('a1')}`)
    await b.query(`begin; ${insert('b1')}`)
    await a.query(`savepoint s; ${insert('a lost')}; rollback to s; ${insert('a2')}`)
    await b.query('commit')
    await a.query('commit')
    await a.query(`begin; ${insert('c lost')}; rollback`)
    assert.deepEqual(await client.rest(), ['b1', 'a1', 'a2'])
  })

  test('2,000 rows of one transaction come, each once, in order, with one commit time; TRUNCATE is silent', async () => {
    const client = await listening()
    await database.sql('insert into attachments (note) select n::text from generate_series(1, 2000) n')
    await database.sql('truncate attachments')
    assert.deepEqual(
      await client.rest(),
      Array.from({ length: 2000 }, (_, index) => String(index + 1)),
    )
    const times = new Set(client.frames.items.map(text => /"commit_timestamp":"([^"]+)"/.exec(text)?.[1]))
    assert.equal(times.size, 1)
    assert.ok(Math.abs(Date.parse([...times][0] ?? '') - Date.now()) < 60_000)
  })

  test('a row over 1 MiB loses its long columns; an untouched long value is left out of an update', async () => {
    const client = await listening()
    const long = 'repeat(md5(random()::text), 40000)'
    await database.sql(`insert into attachments (status, note) values ('big', ${long})`)
    const big = JSON.parse(await client.frames.take())[4].data
    assert.deepEqual(Object.keys(big.record), ['id', 'seq', 'status'])
    assert.deepEqual([big.columns.length, big.errors], [4, ['Error 413: Payload Too Large']])
    await database.sql("update attachments set status = 'upd' where status = 'big'")
    const update = JSON.parse(await client.frames.take())[4].data
    assert.deepEqual([Object.keys(update.record), update.errors], [['id', 'seq', 'status'], null])
    await database.sql(`insert into attachments (note) values (left(${long}, 1048000))`)
    const most = JSON.parse(await client.frames.take())[4].data
    assert.deepEqual([most.record.note.length, most.errors], [1_048_000, null])
  })

  test('with replica identity full the old row comes whole', async () => {
    await database.sql('alter table sharded replica identity full')
    const client = await connect()
    await client.listen('full', [{ event: 'UPDATE', schema: 'public', table: 'sharded' }])
    await database.sql("insert into sharded (shard, note) values (1, 'n')")
    await database.sql('update sharded set shard = 2')
    const { old_record, record } = JSON.parse(await client.frames.take())[4].data
    assert.deepEqual([old_record.shard, old_record.note, record.shard], [1, 'n', 2])
  })

  test('a table that changes while it is listened to keeps coming', async () => {
    const client = await connect()
    await client.listen('changing', [{ event: 'INSERT', schema: 'public', table: 'canary' }])
    await database.sql('alter table canary add column extra int8 default 7')
    await database.sql("insert into canary (worker) values ('w9')")
    const { record, columns } = JSON.parse(await client.frames.take())[4].data
    assert.equal(record.extra, 7)
    assert.deepEqual(columns.at(-1), { name: 'extra', type: 'int8' })
    await database.sql('revoke select on canary from service_role')
    await database.sql("insert into canary (worker) values ('w10')")
    assert.deepEqual(JSON.parse(await client.frames.take())[4].data.errors, ['Error 401: Unauthorized'])
  })
})

describe('time', { timeout: 60_000 }, async () => {
  const database = await realtimeDatabase({ after })

  test('a client that sends nothing is closed with 1000 after 66 s, even while events flow', async () => {
    const clock = fakeClock()
    const { connect } = await testServer(database, { clock })
    const [silent, pinging] = [await connect(), await connect()]
    await silent.listen('silent', ALL)
    const answered = new Promise(resolve => pinging.socket.once('pong', resolve))
    clock.advance(40_000)
    pinging.socket.ping()
    await answered
    await database.sql("insert into attachments (note) values ('flowing')")
    await silent.frames.take()
    clock.advance(26_000)
    assert.equal(await silent.closed, 1000)
    await pinging.beat()
  })

  test('rows wait for the next poll, and refusals for their delay, when told to', async () => {
    // So far behind that every wait for a poll is longer than all other waits.
    const clock = fakeClock(Date.now() - 10_000_000)
    const delays = { pollMs: 1000, badTokenMs: 5000, badKeyMs: 2000 }
    const { connect } = await testServer(database, { clock, delays, idleMs: 2 ** 31 })
    const client = await connect()
    client.send(['1', '1', 'realtime:', 'phx_join', {}])
    await clock.waits.take(ms => ms === 5000)
    await client.beat()
    assert.deepEqual(client.frames.items, [])
    clock.advance(5000)
    assert.match(await client.frames.take(), /TopicNameRequired/)

    const refused = assert.rejects(connect('wrong'), /401/)
    await clock.waits.take(ms => ms === 2000)
    clock.advance(2000)
    await refused

    client.send(['2', '2', 'realtime:polled', 'phx_join', { config: { postgres_changes: ALL } }])
    await client.frames.take(text => text.includes('phx_reply'))
    const wait = await clock.waits.take(ms => ms > 1_000_000 && ms < 2 ** 31)
    await client.beat()
    assert.deepEqual(client.frames.items, [])
    clock.advance(wait)
    await client.frames.take(text => text.includes('Subscribed to PostgreSQL'))
  })
})
