import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, type TestContext, test } from 'node:test'
import { KEYS, PATIENCE_MS, world } from './realtime-world.ts'
import { SETTLE_MS, startReconnecting } from './reconnecting.ts'

describe('with the real realtime-js', { concurrency: 4 }, () => {
  test('hears, is woken by an insert, and is nudged by a retry', async t => {
    const w = await world(t)
    await w.hearing()
    const id = await w.insert()
    await w.woken(id)
    // The catch-up may have been quicker.
    await w.until('the announcement', () => w.intake.counts().announced === 1)
    await w.database.rows(
      `update public.attachments set upload_status = 'FAILED', upload_attempts = 1, error_code = 'x',
      error_message = 'x' where id = $1`,
      [id],
    )
    const before = w.state.sweeps
    const answer = await w.database.call<{ retried: number[] }>('retry_attachments', {
      ids: [id],
      code: null,
      max: 10,
    })
    assert.deepEqual(answer.retried, [id])
    await w.until('a sweep', () => w.state.sweeps > before)
    assert.equal(w.state.clients, 1)
  })

  test('rows between SUBSCRIBED and the system frame are caught up with', async t => {
    const w = await world(t, { systemMs: 400 })
    const id = await w.insert()
    await w.hearing()
    w.server.faults.apply('cold-start', { systemAfterMs: 400 })
    w.server.faults.apply('killed', {})
    w.server.faults.clear('killed')
    await w.until('dropped', () => !w.state.hearing)
    const lost = await w.insert()
    await w.woken(lost)
    await w.hearing()
    const later = await w.insert()
    await w.woken(later)
    assert.equal(w.intake.counts().missed, 0)
    assert.ok(id < lost)
  })

  test('a server that is deaf for a while is noticed, said and survived', async t => {
    const w = await world(t)
    await w.hearing()
    w.server.faults.apply('deaf', {})
    await w.until('deaf', () => w.state.cause?.code === 'canary_late')
    const before = w.state.sweeps
    await w.until('sweeps often', () => w.state.sweeps > before + 5)
    w.server.faults.clear()
    await w.hearing()
    await w.woken(await w.insert())
  })

  for (const fault of ['deaf-forever', 'subscriptions-deleted'] as const) {
    test(`${fault}: a new channel revives it`, async t => {
      const w = await world(t)
      await w.hearing()
      // On a busy machine a join may take longer than the fast clock allows: what was told before is not of the fault.
      const { clients, stories } = w.state
      const told = stories.length
      w.server.faults.apply(fault, {})
      await w.until('deaf', () => !w.state.hearing)
      assert.deepEqual(stories.slice(told), ['canary_late'])
      await w.hearing()
      assert.equal(w.state.clients, clients)
      await w.woken(await w.insert())
    })
  }

  test('phx_close: the closed channel is replaced', async t => {
    const w = await world(t)
    await w.hearing()
    w.server.faults.apply('phx-close', { message: 'Token has expired 0 seconds ago' })
    await w.until('told', () => !w.state.hearing)
    await w.hearing()
    await w.woken(await w.insert())
    w.server.faults.apply('phx-close', {})
    await w.until('closed', () => w.state.cause?.code === 'closed')
    await w.hearing()
    await w.woken(await w.insert())
  })

  test('a server that is away: another client now and then, and back to hearing', async t => {
    const w = await world(t)
    await w.hearing()
    w.server.faults.apply('killed', {})
    await w.until('dropped', () => w.state.cause?.code === 'dropped')
    await w.until('a new client', () => w.state.clients > 1)
    w.server.faults.clear()
    await w.hearing()
    await w.woken(await w.insert())
  })

  test('attachments taken out of the publication while the canary sings: the misses tell', async t => {
    const w = await world(t)
    await w.hearing()
    await w.database.rows('alter publication supabase_realtime drop table public.attachments')
    const inserting = setInterval(() => void w.insert(), 100)
    try {
      await w.until(
        'noticed',
        () => w.state.stories.includes('misses') || w.state.stories.includes('system_error'),
      )
    } finally {
      clearInterval(inserting)
    }
    await w.database.rows('alter publication supabase_realtime add table public.attachments')
    await w.hearing()
  })

  test('a wrong key is never heard with, and does not stop the sweep', async t => {
    const w = await world(t, { key: 'sb_secret_wrong_wrong_wrong' })
    await w.until('told', () => w.state.cause !== null && w.state.cause.code !== 'starting')
    const before = w.state.sweeps
    await w.until('sweeps', () => w.state.sweeps > before + 3)
    assert.equal(w.intake.state().hearing, false)
  })

  // test/bench/reconnects.ts does it a thousand times.
  test('a hundred reconnects leave nothing behind', async t => {
    const w = await world(t)
    const link = startReconnecting(w.url, KEYS.secret, () => {
      w.server.faults.apply('killed', {})
      w.server.faults.clear('killed')
    })
    try {
      const before = await link.run({ reconnects: 10, settleMs: 0 })
      const after = await link.run({ reconnects: 90, settleMs: SETTLE_MS })
      assert.deepEqual([after.resources.TCPSocketWrap, after.resources.Timeout], [1, 1])
      assert.equal(after.channels, 1)
      assert.equal(after.listeners, before.listeners)
      assert.ok(after.descriptors <= before.descriptors, `${before.descriptors}, ${after.descriptors}`)
      // A client that is kept would be 40 KB, thirty times.
      assert.ok(after.heapMb - before.heapMb < 0.5, `${before.heapMb} and then ${after.heapMb} MB`)
    } finally {
      // Before the server, which waits for its connections.
      await link.stop()
    }
  })

  test('stopped, it lets its process end by itself, but for a last timer of realtime-js', async t => {
    const w = await world(t)
    const { child, lines } = await childOf(t, w.url)
    child.stdin.end()
    assert.deepEqual(await once(lines, 'line'), ['stopped'])
    const stopped = performance.now()
    assert.deepEqual(await once(child, 'exit'), [0, null])
    const seconds = (performance.now() - stopped) / 1000
    assert.ok(seconds < 12, `${seconds} s; a heartbeat that goes on would be 25`)
  })

  test('stopped towards a frozen server, it does not wait for an answer', async t => {
    const w = await world(t)
    const { child, lines } = await childOf(t, w.url)
    w.server.faults.apply('frozen', {})
    const from = performance.now()
    child.stdin.end()
    assert.deepEqual(await once(lines, 'line'), ['stopped'])
    const seconds = (performance.now() - from) / 1000
    w.server.faults.clear()
    assert.ok(seconds < 4, `${seconds} s`)
  })
})

/** An intake in a process of its own, to which the server listens. */
async function childOf(t: TestContext, url: string) {
  const program = join(import.meta.dirname, 'child.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', program, url, KEYS.secret], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => {
    child.kill('SIGKILL')
  })
  const lines = createInterface(child.stdout)
  assert.deepEqual(await once(lines, 'line', { signal: AbortSignal.timeout(PATIENCE_MS) }), ['listening'])
  return { child, lines }
}
