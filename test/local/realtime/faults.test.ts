import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import { fakeClock } from './fake-clock.ts'
import { listener } from './listener.ts'
import { inSeconds, jwt, realtimeDatabase, testServer } from './support.ts'

const ROWS = [{ event: '*', schema: 'public', table: 'attachments' }]

describe('faults, as realtime-js and its caller see them', { timeout: 60_000 }, async () => {
  const database = await realtimeDatabase({ after })
  const clock = fakeClock()
  const realtime = await testServer(database, { clock })
  const { server, connect } = realtime
  const { faults } = server
  let open: ReturnType<typeof listener>[] = []
  afterEach(async () => {
    faults.clear()
    await Promise.all(open.map(found => found.close()))
    open = []
  })

  function listen(options: Parameters<typeof listener>[2] = {}): ReturnType<typeof listener> {
    const found = listener(realtime, database, options)
    open.push(found)
    return found
  }

  /** Commits a row and waits until the server has delivered or lost it. */
  async function insert(note: string): Promise<void> {
    await database.sql('insert into attachments (note) values ($1)', [note])
    await server.caughtUp()
  }

  /** The next row to come must be this one: what was lost before it does not come late. */
  async function nextRow(found: ReturnType<typeof listener>, note: string): Promise<void> {
    await insert(note)
    assert.equal(await found.rows.take(), `INSERT ${note}`)
  }

  async function listening(topic: string, options: Parameters<typeof listener>[2] = {}) {
    const found = listen(options)
    const channel = found.join(topic)
    await found.heard()
    assert.equal(await found.statuses.take(), 'SUBSCRIBED')
    return { ...found, channel }
  }

  for (const [name, code] of [
    ['killed', 1006],
    ['stopped', 1012],
  ] as const) {
    test(`${name}: close ${code}, refused, rejoins by itself; all rows until the new system frame are lost`, async () => {
      const found = await listening(name)
      await nextRow(found, `${name} before`)
      const plain = await connect()
      faults.apply(name, {})
      assert.equal(await plain.closed, code)
      assert.match(
        await found.statuses.take(),
        /^CHANNEL_ERROR (socket closed: 10|channel error: transport failure)/,
      )
      await assert.rejects(connect())
      await insert(`${name} lost`)
      faults.clear()
      await found.heard()
      assert.equal(await found.statuses.take(status => status === 'SUBSCRIBED'), 'SUBSCRIBED')
      await nextRow(found, `${name} after`)
    })
  }

  test('frozen: heartbeat timeout, rejoins at the end; what came meanwhile is lost to whoever gave up', async () => {
    const patient = await connect()
    await patient.listen('patient', ROWS)
    const found = await listening('frozen')
    realtime.upgrades.clear()
    faults.apply('frozen', {})
    assert.deepEqual(faults.active(), ['frozen'])
    await insert('while frozen')
    await found.client.realtime.sendHeartbeat()
    // A second one finds the first unanswered.
    await found.client.realtime.sendHeartbeat()
    assert.equal(await found.statuses.take(), 'CHANNEL_ERROR heartbeat timeout')
    await realtime.upgrades.take()
    assert.deepEqual(patient.notes(), [])
    faults.clear()
    await found.heard()
    await patient.beat()
    assert.deepEqual(patient.notes(), ['while frozen'], 'late, not lost, to whoever waited')
    await patient.leave('patient')
    await nextRow(found, 'thawed')
  })

  test('deaf for a time: nothing to see, heartbeats answered, its rows lost', async () => {
    const found = await listening('deaf')
    faults.apply('deaf', { forMs: 20_000 })
    await insert('deaf lost')
    await found.beat()
    clock.advance(20_000)
    await nextRow(found, 'deaf over')
    assert.deepEqual([found.statuses.items, found.system.items], [[], []])
    faults.apply('deaf', {})
    await insert('deaf again')
    faults.clear('deaf')
    await nextRow(found, 'deaf cleared')
  })

  for (const name of ['deaf-forever', 'subscriptions-deleted'] as const) {
    test(`${name}: joined, heartbeats answered, no rows; new joins hear, and so does who leaves and rejoins`, async () => {
      const found = await listening(`${name} old`)
      faults.apply(name, {})
      faults.clear()
      const other = await listening(`${name} new`)
      await nextRow(other, `${name} lost`)
      await found.beat()
      assert.deepEqual([found.statuses.items, found.system.items, found.rows.items], [[], [], []])
      await found.client.removeChannel(found.channel)
      found.join(`${name} again`)
      await found.heard()
      await nextRow(found, `${name} heard`)
    })
  }

  test('deaf-forever: a new access token revives the subscription', async () => {
    const token = (): string =>
      jwt({ role: 'service_role', exp: inSeconds(3600), jti: String(Math.random()) })
    const client = await connect(token())
    await client.listen('revived', ROWS)
    faults.apply('deaf-forever', {})
    await insert('unheard')
    await client.beat()
    client.send([null, null, 'realtime:revived', 'access_token', { access_token: token() }])
    await client.frames.take(text => text.includes('Subscribed to PostgreSQL'))
    await insert('revived')
    await client.beat()
    assert.deepEqual(client.notes(), ['revived'])
    await client.leave('revived')
  })

  test('dropping: windows of rows are lost', async () => {
    const found = await listening('dropping')
    faults.apply('dropping', { deliverMs: 5000, dropMs: 5000 })
    await nextRow(found, 'first window')
    clock.advance(5000)
    await insert('second window')
    clock.advance(4999)
    await insert('its end')
    clock.advance(1)
    await nextRow(found, 'third window')
    assert.deepEqual(found.statuses.items, [])
  })

  test('rate limit: a window too many brings one of silence', async () => {
    const found = await listening('rate limit')
    faults.apply('rate-limit', { perSecond: 2, windowMs: 1000 })
    clock.advance(1000)
    for (const note of ['1', '2', '3']) await nextRow(found, note)
    clock.advance(1000)
    await insert('4')
    clock.advance(1000)
    await nextRow(found, '5')
    await nextRow(found, '6')
    clock.advance(1000)
    await nextRow(found, '7')
    assert.deepEqual(found.statuses.items, [])
  })

  test('cold start: SUBSCRIBED at once, listening at the system frame; the rows in between are lost', async () => {
    for (const end of [() => clock.advance(2000), () => faults.clear()]) {
      const found = listen()
      faults.apply('cold-start', { systemAfterMs: 2000 })
      found.join('cold')
      assert.equal(await found.statuses.take(), 'SUBSCRIBED')
      clock.advance(1999)
      await insert('in between')
      assert.deepEqual(found.system.items, [])
      end()
      await found.heard()
      await nextRow(found, 'warm')
    }
  })

  test('phx_close: CLOSED for good, the socket stays open', async () => {
    const found = await listening('closed')
    faults.apply('phx-close', { message: 'Too many messages per second' })
    assert.equal(await found.system.take(), 'Too many messages per second')
    assert.equal(await found.statuses.take(), 'CLOSED')
    await insert('closed lost')
    assert.ok(found.client.realtime.isConnected())
    assert.deepEqual(found.client.getChannels(), [])
    found.join('another')
    await found.heard()
    await nextRow(found, 'another heard')
  })
})
