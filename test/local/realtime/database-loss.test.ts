import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import pg from 'pg'
import { pino } from 'pino'
import { UserError } from '../../../src/errors.ts'
import { freePort } from '../../../src/local/ports.ts'
import { startRealtime } from '../../../src/local/realtime/server.ts'
import { listener } from './listener.ts'
import { KEYS, type RealtimeDatabase, realtimeDatabase, testServer } from './support.ts'

describe('the database goes away', { timeout: 60_000 }, async () => {
  const database = await realtimeDatabase({ after })
  const realtime = await testServer(database)
  const { server } = realtime

  async function nextRow(found: ReturnType<typeof listener>, note: string): Promise<void> {
    await database.sql('insert into attachments (note) values ($1)', [note])
    assert.equal(await found.rows.take(), `INSERT ${note}`)
  }

  test('while it is away everybody stays joined and hears nothing; a system frame says that it is back', async () => {
    const found = listener(realtime, database)
    found.join('away')
    await found.heard()
    await nextRow(found, 'before')
    assert.equal(await found.statuses.take(), 'SUBSCRIBED')
    const gate = await lockOut(database)
    await assert.rejects(server.caughtUp())
    await gate.sql("insert into attachments (note) values ('lost')")
    await found.beat()
    assert.deepEqual([found.system.items, found.statuses.items], [[], []])

    const late = listener(realtime, database)
    late.join('late')
    assert.equal(await late.statuses.take(), 'SUBSCRIBED', 'a join is answered, as by the real server')
    assert.deepEqual(late.system.items, [])

    await gate.open()
    await Promise.all([found.heard(), late.heard()])
    await nextRow(found, 'after')
    assert.equal(await late.rows.take(), 'INSERT after')
  })

  test('a killed stream is taken up again', async () => {
    const found = listener(realtime, database)
    found.join('killed stream')
    await found.heard()
    await killStream(database)
    await found.heard()
    await nextRow(found, 'taken up')
  })
})

describe('starting and stopping', { timeout: 60_000 }, async () => {
  const database = await realtimeDatabase({ after })
  const start = (databaseUrl: string, publication = 'supabase_realtime') =>
    startRealtime({ databaseUrl, publication, keys: KEYS, log: pino({ level: 'silent' }) })

  test('without a database it does not start, and says what to do', async () => {
    const port = await freePort()
    await assert.rejects(start(`postgres://postgres@127.0.0.1:${port}/postgres`), (error: unknown) => {
      assert.ok(error instanceof UserError)
      assert.match(error.message, /cannot read the changes of its database: .*ECONNREFUSED/)
      assert.match(error.hint ?? '', /Start the database first/)
      return true
    })
  })

  test('without the publication it does not start, and leaves nothing behind', async () => {
    await assert.rejects(start(database.url, 'nothing_of_the_kind'), /no publication nothing_of_the_kind/)
    assert.deepEqual(await slots(), [])
  })

  test('its slot is temporary and gone after stop, which may be called twice', async () => {
    const server = await start(database.url)
    assert.deepEqual(await slots(), [{ temporary: true, plugin: 'pgoutput' }])
    await Promise.all([server.stop(), server.stop()])
    assert.deepEqual(await slots(), [])
  })

  test('stop closes connections with 1012', async () => {
    const realtime = await testServer(database)
    const client = await realtime.connect()
    await realtime.server.stop()
    assert.equal(await client.closed, 1012)
    await assert.rejects(realtime.connect())
  })

  const slots = () =>
    database.sql('select temporary, plugin from pg_replication_slots where database = $1', [database.name])
})

const STREAMS = `select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1`

async function killStream(database: RealtimeDatabase): Promise<void> {
  assert.equal((await database.sql(STREAMS, [database.name])).length, 1)
}

/** Ends all connections but its own and lets no new one in, like a database that is down. */
async function lockOut(database: RealtimeDatabase) {
  const inside = new pg.Client({ connectionString: database.url })
  const outside = new pg.Client({ connectionString: process.env.MEDIAFERRY_TEST_DATABASE })
  await Promise.all([inside.connect(), outside.connect()])
  let closed = false
  const open = async (): Promise<void> => {
    if (closed) return
    closed = true
    await outside.query(`alter database ${database.name} with allow_connections true`)
    await Promise.all([inside.end(), outside.end()])
  }
  database.atEnd(open)
  const { rows } = await inside.query('select pg_backend_pid() as pid')
  await outside.query(`alter database ${database.name} with allow_connections false`)
  await outside.query(
    'select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1 and pid <> $2',
    [database.name, rows[0].pid],
  )
  return { sql: (text: string) => inside.query(text), open }
}
