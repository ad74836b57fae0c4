import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import type { RawClient } from './raw-client.ts'
import { realtimeDatabase, testServer } from './support.ts'

const LONG = 'repeat(md5(random()::text), 20000)'

describe('a row is taken apart as far as somebody wants it', { timeout: 60_000 }, async () => {
  const database = await realtimeDatabase({ after })
  const { server, connect } = await testServer(database)
  const clients: RawClient[] = []
  afterEach(() => {
    for (const { socket } of clients.splice(0)) socket.terminate()
  })

  const on = (event: string, more: object = {}): object => ({
    event,
    schema: 'public',
    table: 'attachments',
    ...more,
  })

  async function hearing(...bindings: object[]): Promise<RawClient> {
    const client = await connect()
    clients.push(client)
    await client.listen('rows', bindings)
    return client
  }

  /** The data of all events that came. */
  async function rest(client: RawClient) {
    await server.caughtUp()
    await client.beat()
    const frames = client.frames.items.map(text => JSON.parse(text))
    client.frames.clear()
    return frames.filter(frame => frame[3] === 'postgres_changes').map(frame => frame[4].data)
  }

  test('a filter on a column that nobody selected, and one frame for each choice of columns', async () => {
    const client = await hearing(
      on('INSERT', { select: ['status'], filter: 'note=eq.yes' }),
      on('INSERT', { select: [] }),
    )
    await database.sql("insert into attachments (status, note) values ('a', 'no'), ('b', 'yes')")
    const rows = await rest(client)
    assert.deepEqual(
      rows.map(row => Object.keys(row.record)),
      [['id'], ['id', 'status'], ['id']],
    )
    assert.deepEqual(
      rows.map(row => row.record.status),
      [undefined, 'b', undefined],
    )
  })

  test('rows for which PostgreSQL is asked stay in their place among those for which it is not', async () => {
    const client = await hearing(
      on('INSERT', { filter: 'note=gt.5' }),
      on('INSERT', { filter: 'status=eq.x' }),
    )
    await database.sql(`insert into attachments (status, note)
      select case when n % 2 = 0 then 'x' end, n::text from generate_series(1, 9) n`)
    await database.sql("insert into attachments (status, note) values ('x', 'last')")
    assert.deepEqual(
      (await rest(client)).map(row => row.record.note),
      ['2', '4', '6', '7', '8', '9', 'last'],
    )
  })

  test('an untouched long value is not known to a filter, unless the old row comes whole', async () => {
    const client = await hearing(on('UPDATE', { filter: 'note=neq.short' }))
    await database.sql(`insert into attachments (status, note) values ('one', ${LONG})`)
    await database.sql("update attachments set status = 'two' where status = 'one'")
    assert.deepEqual(await rest(client), [])
    await database.sql('alter table attachments replica identity full')
    await database.sql("update attachments set status = 'three' where status = 'two'")
    await database.sql('alter table attachments replica identity default')
    const [row, ...more] = await rest(client)
    assert.deepEqual(more, [])
    // Twice 640,000 bytes: the old row counts, too.
    assert.deepEqual(row.errors, ['Error 413: Payload Too Large'])
    assert.deepEqual([row.record.status, row.old_record.status], ['three', 'two'])
  })

  test('with replica identity full an untouched long value comes from the old row', async () => {
    const client = await hearing(on('UPDATE'))
    await database.sql('alter table attachments replica identity full')
    await database.sql(
      "insert into attachments (status, note) values ('full', left(repeat(md5(random()::text), 20000), 9000))",
    )
    await database.sql("update attachments set note = md5(note) || note where status = 'full'")
    await database.sql("update attachments set status = 'fuller' where status = 'full'")
    await database.sql('alter table attachments replica identity default')
    const [first, second] = await rest(client)
    assert.equal(second.record.note, first.record.note)
    assert.equal(second.old_record.note, first.record.note)
    assert.equal(second.record.note.length, 9032)
  })

  test('a row over 1 MiB is too large, however little of it is selected', async () => {
    const client = await hearing(on('INSERT', { select: ['id'] }))
    await database.sql(`insert into attachments (note) values (${LONG} || ${LONG}), (${LONG})`)
    assert.deepEqual(
      (await rest(client)).map(row => [Object.keys(row.record), row.errors]),
      [
        [['id'], ['Error 413: Payload Too Large']],
        [['id'], null],
      ],
    )
  })

  test('a changed key, and a deleted row, come with the old key', async () => {
    const client = await hearing(on('UPDATE', { select: [] }), on('DELETE'))
    await database.sql("insert into attachments (status) values ('moved')")
    const ids = await database.sql(
      "update attachments set id = gen_random_uuid() where status = 'moved' returning id",
    )
    await database.sql("delete from attachments where status = 'moved'")
    const [moved, gone] = await rest(client)
    assert.equal(moved.record.id, ids[0]?.id)
    assert.deepEqual(Object.keys(moved.old_record), ['id'])
    assert.notEqual(moved.old_record.id, ids[0]?.id)
    assert.deepEqual(gone.old_record, { id: ids[0]?.id })
  })

  test('text keeps a byte order mark at its beginning', async () => {
    const client = await hearing(on('INSERT', { select: ['note'] }))
    await database.sql('insert into attachments (note) values ($1)', ['\uFEFFé 😀'])
    assert.deepEqual(
      (await rest(client)).map(row => row.record.note),
      ['\uFEFFé 😀'],
    )
  })

  test('rights that are taken and given hold from the next row on', async () => {
    const client = await hearing(on('INSERT'))
    const seen: unknown[] = []
    for (const change of [
      'select',
      'revoke select on attachments from service_role',
      'grant select (id, note) on attachments to service_role',
      'grant select on attachments to service_role',
    ]) {
      await database.sql(change)
      await database.sql("insert into attachments (status, note) values ('s', 'n')")
      // PostgreSQL answers for the moment in which it is asked, so each row is waited for.
      for (const row of await rest(client)) seen.push([Object.keys(row.record), row.errors])
    }
    const whole = [['id', 'seq', 'note', 'status'], null]
    const refused = [[], ['Error 401: Unauthorized']]
    assert.deepEqual(seen, [whole, refused, [['id', 'note'], null], whole])
  })

  test('who joins and who leaves changes what is wanted', async () => {
    const client = await hearing(on('INSERT', { select: [] }))
    const all = "with one as (insert into attachments (status) values ('in') returning id) select from one"
    const update = "update attachments set status = 'up' where status = 'in'"
    const types = async () => {
      await database.sql(all)
      await database.sql(update)
      return (await rest(client)).map(row => row.type)
    }
    assert.deepEqual(await types(), ['INSERT'])
    await client.listen('updates', [on('UPDATE', { select: [] })])
    assert.deepEqual(await types(), ['INSERT', 'UPDATE'])
    await client.leave('rows')
    assert.deepEqual(await types(), ['UPDATE'])
    await client.leave('updates')
    assert.deepEqual(await types(), [])
    await client.listen('again', [on('*', { select: [] })])
    assert.deepEqual(await types(), ['INSERT', 'UPDATE'])
  })
})
