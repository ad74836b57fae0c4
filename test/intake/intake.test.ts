import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pino } from 'pino'
import { SimulatedClock } from 'xstate'
import type { Cursor } from '../../src/attachment.ts'
import type { Page, Row } from '../../src/intake/cursor.ts'
import { type IntakeState, startIntake } from '../../src/intake/intake.ts'
import type { RealtimeHandlers } from '../../src/intake/realtime.ts'

/** A database and a Realtime server of which everything can be told to fail, on a clock of its own. */
function world() {
  const clock = new SimulatedClock()
  const rows: Row[] = []
  const joins: boolean[] = []
  const states: IntakeState[] = []
  const errors: unknown[] = []
  const state = {
    beat: 0,
    listening: false,
    announces: true,
    databaseDown: false,
    closed: false,
    sweeps: 0,
    wakes: 0,
  }
  let saved: Cursor | null = null
  let handlers: RealtimeHandlers | null = null
  const says = () => {
    assert.ok(handlers)
    return handlers
  }

  const intake = startIntake({
    listen: given => {
      handlers = given
      return {
        join: whole => joins.push(whole),
        close: async () => {
          state.closed = true
        },
      }
    },
    beat: async () => {
      if (state.databaseDown) throw new Error('database down')
      const beat = ++state.beat
      if (state.listening && beat > 1) queueMicrotask(() => says().onCanary(beat))
      return beat
    },
    attachmentsAfter: async (xid, id, max): Promise<Page> => {
      if (state.databaseDown) throw new Error('database down')
      const next = String(1001 + rows.length)
      const after = rows.filter(
        row => BigInt(row.created_xid) > BigInt(xid) || (row.created_xid === xid && row.id > id),
      )
      const anchor = rows.find(row => row.id === id)?.created_xid ?? null
      return { cluster: 'c', horizon: next, next, anchor, rows: after.slice(0, max) }
    },
    cursor: {
      load: () => saved,
      save: cursor => {
        saved = cursor
      },
    },
    onWake: () => state.wakes++,
    onSweep: () => state.sweeps++,
    onState: now => states.push(now),
    onDatabaseError: error => errors.push(error),
    log: pino({ level: 'silent' }),
    sweepIntervalMs: 30_000,
    canaryIntervalMs: 30_000,
    canaryTimeoutMs: 5000,
    clock,
    random: () => 0,
  })

  const idle = async () => {
    for (let turn = 0; turn < 30; turn++) await Promise.resolve()
  }
  return {
    clock,
    intake,
    joins,
    states,
    errors,
    state,
    says,
    saved: () => saved,
    idle,
    insert() {
      const id = rows.length + 1
      rows.push({ id, created_xid: String(1000 + id), upload_status: 'PENDING' })
      if (state.listening && state.announces) says().onInsert(id)
      return id
    },
    /** The server answers a join and begins to listen. */
    async listens() {
      state.listening = true
      says().onEvent({ type: 'SUBSCRIBED' })
      says().onEvent({ type: 'SYSTEM_OK' })
      await idle()
    },
    async pass(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        clock.increment(1000)
        await idle()
      }
    },
  }
}

describe('starting', () => {
  test('joins, sweeps every second until it hears, then every interval', async () => {
    const w = world()
    assert.deepEqual(w.joins, [true])
    assert.equal(w.intake.state().hearing, false)
    await w.pass(3)
    assert.equal(w.state.sweeps, 3)
    await w.listens()
    assert.deepEqual(w.intake.state(), { hearing: true, cause: null })
    assert.equal(w.state.sweeps, 4, 'the system frame sweeps too')
    await w.pass(29)
    assert.equal(w.state.sweeps, 4)
    await w.pass(31)
    assert.equal(w.state.sweeps, 6)
    await w.intake.stop()
  })

  test('what was committed before the server listened is caught up with at once', async () => {
    const w = world()
    await w.pass(1)
    await w.listens()
    w.says().onEvent({ type: 'DROPPED', message: '1006' })
    w.state.listening = false
    const lost = w.insert()
    await w.listens()
    assert.deepEqual(w.intake.takeWoken(10), [lost])
    assert.equal(w.saved()?.id, lost)
    await w.pass(10)
    assert.equal(w.intake.counts().missed, 0, 'and is no miss')
    await w.intake.stop()
  })

  test('the database being down is told, and is not deafness', async () => {
    const w = world()
    w.state.databaseDown = true
    await w.listens()
    await w.pass(120)
    assert.ok(w.errors.length > 10)
    assert.equal(w.intake.state().hearing, false)
    assert.deepEqual(w.joins, [true], 'nothing is rebuilt')
    w.state.databaseDown = false
    await w.pass(5)
    assert.equal(w.intake.state().hearing, true)
    await w.intake.stop()
  })
})

describe('hearing', () => {
  test('an announced row wakes at once, the newest first', async () => {
    const w = world()
    await w.listens()
    w.insert()
    w.insert()
    assert.equal(w.state.wakes, 2)
    assert.deepEqual(w.intake.counts(), { announced: 2, missed: 0, woken: 2 })
    assert.deepEqual(w.intake.takeWoken(1), [2])
    await w.intake.stop()
  })

  test('a nudge on our canary row sweeps at once, and once more when what it tells of is seen by all', async () => {
    const w = world()
    await w.listens()
    const before = w.state.sweeps
    w.says().onCanary(w.state.beat)
    w.says().onCanary(w.state.beat)
    assert.equal(w.state.sweeps, before + 2)
    await w.pass(1)
    assert.equal(w.state.sweeps, before + 3)
    await w.pass(5)
    assert.equal(w.state.sweeps, before + 3)
    await w.intake.stop()
  })

  test('an announced row that a claim did not give is asked for once more a second later, and no more', async () => {
    const w = world()
    await w.listens()
    const [early, given] = [w.insert(), w.insert()]
    assert.deepEqual(w.intake.takeWoken(10), [given, early])
    w.intake.claimed([given, early], [given])
    const wakes = w.state.wakes
    assert.deepEqual(w.intake.takeWoken(10), [])
    await w.pass(1)
    assert.equal(w.state.wakes, wakes + 1)
    assert.deepEqual(w.intake.takeWoken(10), [early])
    w.intake.claimed([early], [])
    await w.pass(5)
    assert.equal(w.state.wakes, wakes + 1)
    assert.deepEqual(w.intake.takeWoken(10), [])
    await w.intake.stop()
  })

  test('a row that was claimed before it was asked for wakes nobody any more', async () => {
    const w = world()
    await w.listens()
    const [first, second] = [w.insert(), w.insert()]
    w.intake.claimed([], [first])
    assert.deepEqual(w.intake.takeWoken(10), [second])
    await w.intake.stop()
  })

  test('silence is noticed by the canary: a sweep each second, then a rejoin, until it hears again', async () => {
    const w = world()
    await w.listens()
    w.state.listening = false
    await w.pass(34)
    assert.equal(w.intake.state().hearing, true)
    await w.pass(1)
    assert.equal(w.intake.state().cause?.code, 'canary_late')
    const before = w.state.sweeps
    await w.pass(10)
    assert.ok(w.state.sweeps >= before + 10)
    assert.deepEqual(w.joins, [true, false])
    await w.listens()
    assert.deepEqual(w.intake.state(), { hearing: true, cause: null })
    assert.deepEqual(
      w.states.map(({ hearing }) => hearing),
      [true, false, true],
    )
    await w.intake.stop()
  })

  test('rows that are not announced while the canary sings are noticed by three catch-ups', async () => {
    const w = world()
    await w.listens()
    w.state.announces = false
    for (let second = 0; second < 150 && w.intake.state().hearing; second++) {
      w.insert()
      await w.pass(1)
    }
    assert.equal(w.intake.state().cause?.code, 'misses')
    assert.ok(w.intake.counts().missed > 50)
    await w.intake.stop()
  })

  test('a burst beyond what can be kept apart loses nothing and accuses nobody', async () => {
    const w = world()
    await w.listens()
    for (let count = 0; count < 25_000; count++) w.insert()
    await w.idle()
    await w.pass(60)
    assert.equal(w.intake.counts().missed, 0)
    assert.equal(w.intake.state().hearing, true)
    assert.equal(w.intake.counts().woken, 10_000)
    assert.equal(w.saved()?.id, 25_000)
    await w.intake.stop()
  })
})

describe('stopping', () => {
  test('says nothing more, leaves no timer, and may be asked twice', async () => {
    const w = world()
    await w.listens()
    w.insert()
    w.intake.claimed(w.intake.takeWoken(1), [])
    await Promise.all([w.intake.stop(), w.intake.stop()])
    w.intake.claimed([1], [])
    assert.equal(w.state.closed, true)
    const before = { ...w.state }
    await w.pass(3600)
    assert.deepEqual(w.state, before)
  })

  test('while deaf, too', async () => {
    const w = world()
    await w.pass(30)
    await w.intake.stop()
    const before = { ...w.state, joins: w.joins.length }
    await w.pass(600)
    assert.deepEqual({ ...w.state, joins: w.joins.length }, before)
  })
})

test('a week of reconnects gathers nothing', async () => {
  const w = world()
  await w.listens()
  for (let turn = 0; turn < 1000; turn++) {
    w.says().onEvent({ type: 'DROPPED', message: '1006' })
    w.state.listening = false
    await w.pass(w.intake.state().cause?.code === 'worn_out' ? 31 : 1)
    w.insert()
    await w.listens()
  }
  assert.equal(w.intake.state().hearing, true)
  assert.ok(w.joins.filter(whole => whole).length >= 50, 'a new client every 20 drops')
  await w.intake.stop()
})
