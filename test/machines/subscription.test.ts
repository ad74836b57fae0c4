import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createActor, SimulatedClock } from 'xstate'
import {
  CALM_MS,
  DROPS_PER_CLIENT,
  JOIN_TIMEOUT_MS,
  rebuildDelay,
  type SubscriptionEvent,
  SYSTEM_TIMEOUT_MS,
  subscriptionMachine,
} from '../../machines/subscription.ts'
import { held, neverSeen, settled, simplePaths } from './support.ts'

const drop: SubscriptionEvent = { type: 'DROPPED', message: 'heartbeat timeout' }

function start() {
  const rebuild = held<void, { whole: boolean }>()
  const clock = new SimulatedClock()
  const emitted: string[] = []
  const actor = createActor(subscriptionMachine.provide({ actors: { rebuild: rebuild.logic } }), {
    input: { random: () => 0 },
    clock,
  })
  actor.on('*', ({ type }) => {
    emitted.push(type)
  })
  actor.start()
  const send = (...types: Exclude<SubscriptionEvent['type'], 'DROPPED' | 'SYSTEM_ERROR'>[]) => {
    for (const type of types) actor.send({ type })
  }
  return {
    actor,
    rebuild,
    clock,
    emitted,
    send,
    state: () => JSON.stringify(actor.getSnapshot().value).replaceAll('"', ''),
    cause: () => actor.getSnapshot().context.cause?.code ?? null,
    async rebuilt() {
      rebuild.last().resolve()
      await settled()
    },
  }
}

/** Started and proven. */
function hearing() {
  const run = start()
  run.send('SUBSCRIBED', 'SYSTEM_OK', 'CANARY_HEARD')
  run.emitted.length = 0
  return run
}

describe('joining', () => {
  test('SUBSCRIBED is not hearing, the system frame is not either; a canary is', () => {
    const run = start()
    assert.equal(run.state(), 'connecting')
    assert.equal(run.cause(), 'starting')
    run.send('SUBSCRIBED')
    assert.equal(run.state(), '{joined:answered}')
    assert.deepEqual(run.emitted, [])
    run.send('SYSTEM_OK')
    assert.equal(run.state(), '{joined:proving}')
    assert.deepEqual(run.emitted, ['catchUp', 'prove'])
    assert.equal(run.actor.getSnapshot().hasTag('hearing'), false)
    run.send('CANARY_HEARD')
    assert.equal(run.state(), 'hearing')
    assert.equal(run.cause(), null)
    assert.equal(run.actor.getSnapshot().hasTag('hearing'), true)
  })

  test('a server that delays SUBSCRIBED to the system frame is understood too', () => {
    const run = start()
    run.send('SYSTEM_OK', 'SUBSCRIBED')
    assert.equal(run.state(), '{joined:proving}')
  })

  test('a join without an answer, an answer without a system frame, a canary without an echo: deaf', () => {
    const run = start()
    run.clock.increment(JOIN_TIMEOUT_MS)
    assert.equal(run.cause(), 'join_timeout')
    const second = start()
    second.send('SUBSCRIBED')
    second.clock.increment(SYSTEM_TIMEOUT_MS)
    assert.equal(second.cause(), 'system_silent')
    const third = start()
    third.send('SYSTEM_OK', 'CANARY_LATE')
    assert.equal(third.cause(), 'canary_late')
    for (const each of [run, second, third]) {
      assert.equal(each.state(), 'deaf')
      assert.equal(each.emitted.at(-1), 'sweepNow')
    }
  })

  test('a canary that cannot be written leaves it proving: the database is to blame', () => {
    const run = start()
    run.send('SUBSCRIBED', 'SYSTEM_OK')
    run.clock.increment(86_400_000)
    assert.equal(run.state(), '{joined:proving}')
  })

  test('drops while joining do not start the wait for the join anew', () => {
    const run = start()
    run.clock.increment(JOIN_TIMEOUT_MS - 1)
    run.actor.send(drop)
    run.clock.increment(1)
    assert.equal(run.state(), 'deaf')
  })
})

describe('hearing', () => {
  test('each system frame catches up and proves again', () => {
    const run = hearing()
    run.send('SYSTEM_OK', 'SYSTEM_OK')
    assert.equal(run.state(), 'hearing')
    assert.deepEqual(run.emitted, ['catchUp', 'prove', 'catchUp', 'prove'])
  })

  test('a drop is joined again by realtime-js: nothing is rebuilt', () => {
    const run = hearing()
    run.actor.send(drop)
    assert.equal(run.state(), 'connecting')
    assert.deepEqual(run.actor.getSnapshot().context.cause, {
      code: 'dropped',
      message: 'The connection to Realtime was dropped: heartbeat timeout',
    })
    run.send('SUBSCRIBED', 'SYSTEM_OK', 'CANARY_HEARD')
    assert.equal(run.state(), 'hearing')
    assert.equal(run.rebuild.calls.length, 0)
  })

  test('a late canary that arrives after all ends the deafness without a rebuild', () => {
    const run = hearing()
    run.send('CANARY_LATE')
    assert.equal(run.state(), 'deaf')
    run.clock.increment(900)
    run.send('CANARY_HEARD')
    assert.equal(run.state(), 'hearing')
    run.clock.increment(10_000)
    assert.equal(run.rebuild.calls.length, 0)
  })

  test('when rows are missed a canary proves nothing', () => {
    const run = hearing()
    run.send('MISSES', 'CANARY_HEARD')
    assert.equal(run.state(), 'deaf')
    assert.equal(run.cause(), 'misses')
    run.clock.increment(1000)
    assert.equal(run.state(), 'rebuilding')
  })
})

describe('deaf', () => {
  test('rejoins after a second, and the third time with a new client, less and less often', async () => {
    const run = hearing()
    const waits: number[] = []
    for (let turn = 0; turn < 9; turn++) {
      run.send('CANARY_LATE')
      const from = run.clock.now()
      while (run.state() === 'deaf') run.clock.increment(500)
      waits.push(run.clock.now() - from)
      assert.equal(run.state(), 'rebuilding')
      await run.rebuilt()
      assert.equal(run.state(), 'connecting')
      run.send('SUBSCRIBED', 'SYSTEM_OK')
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000])
    const whole = run.rebuild.calls.map(({ input }) => input.whole)
    assert.deepEqual(whole, [false, false, true, false, false, true, false, false, true])
  })

  test('after a calm minute of hearing the next trouble starts with the short wait', async () => {
    const run = hearing()
    for (let turn = 0; turn < 4; turn++) {
      run.send('CANARY_LATE')
      run.clock.increment(30_000)
      await run.rebuilt()
      run.send('SUBSCRIBED', 'SYSTEM_OK', 'CANARY_HEARD')
    }
    run.clock.increment(CALM_MS)
    run.send('CANARY_LATE')
    run.clock.increment(1000)
    assert.equal(run.state(), 'rebuilding')
  })

  test('CLOSED is rebuilt later and not inside the callback', () => {
    const run = hearing()
    run.send('CLOSED')
    assert.equal(run.state(), 'deaf')
    assert.equal(run.rebuild.calls.length, 0)
    run.send('CANARY_HEARD')
    assert.equal(run.state(), 'deaf', 'an old echo does not open a closed channel')
    run.clock.increment(1000)
    assert.equal(run.rebuild.calls.length, 1)
  })

  test('a refused binding is tried again, with what the server said', () => {
    const run = start()
    run.actor.send({ type: 'SYSTEM_ERROR', message: 'Unable to subscribe' })
    assert.equal(run.state(), 'deaf')
    assert.match(run.actor.getSnapshot().context.cause?.message ?? '', /Unable to subscribe/)
  })

  test('a rebuild that fails is tried again', async () => {
    const run = hearing()
    run.send('CLOSED')
    run.clock.increment(1000)
    run.rebuild.last().reject(new Error('no route'))
    await settled()
    assert.equal(run.state(), 'deaf')
    assert.match(run.actor.getSnapshot().context.cause?.message ?? '', /no route/)
    run.clock.increment(2000)
    assert.equal(run.rebuild.calls.length, 2)
  })

  test('a server that begins to listen again by itself is heard', () => {
    const run = hearing()
    run.send('CANARY_LATE', 'SYSTEM_OK', 'CANARY_HEARD')
    assert.equal(run.state(), 'hearing')
  })
})

test('a client worn out by drops is replaced whole, however well it rejoins', async () => {
  const run = hearing()
  for (let turn = 1; turn < DROPS_PER_CLIENT; turn++) {
    run.actor.send(drop)
    run.send('SUBSCRIBED', 'SYSTEM_OK', 'CANARY_HEARD')
  }
  assert.equal(run.state(), 'hearing')
  run.actor.send(drop)
  assert.equal(run.state(), 'deaf')
  assert.equal(run.cause(), 'worn_out')
  run.clock.increment(1000)
  assert.deepEqual(run.rebuild.last().input, { whole: true })
  await run.rebuilt()
  run.actor.send(drop)
  assert.equal(run.state(), 'connecting', 'the new client starts with no drops')
})

test('a thousand reconnects leave nothing behind', async () => {
  const run = hearing()
  for (let turn = 0; turn < 1000; turn++) {
    run.actor.send(drop)
    if (run.state() === 'deaf') {
      run.clock.increment(30_000)
      await run.rebuilt()
    }
    run.send('SUBSCRIBED', 'SYSTEM_OK', 'CANARY_HEARD')
  }
  assert.equal(run.rebuild.calls.length, 1000 / DROPS_PER_CLIENT)
  assert.deepEqual(Object.keys(run.actor.getSnapshot().children), [])
  assert.ok(JSON.stringify(run.actor.getPersistedSnapshot()).length < 1000)
  run.send('CLOSED')
  run.clock.increment(30_000)
  run.actor.stop()
  assert.equal(run.rebuild.open(), 0, 'stopping aborts the rebuild')
  run.clock.increment(10_000_000)
  assert.equal(run.rebuild.calls.length, 1 + 1000 / DROPS_PER_CLIENT, 'no timer is left')
})

test('rebuildDelay: jitter takes up to half away', () => {
  assert.equal(rebuildDelay(0, 0.5), 750)
  assert.equal(rebuildDelay(50, 0), 30_000)
  assert.equal(rebuildDelay(50, 0.999_999), 15_000)
})

test('every simple path takes every transition and reaches every state', () => {
  const events = [
    { type: 'SUBSCRIBED' },
    drop,
    { type: 'CLOSED' },
    { type: 'SYSTEM_OK' },
    { type: 'SYSTEM_ERROR', message: 'no' },
    { type: 'CANARY_HEARD' },
    { type: 'CANARY_LATE' },
    { type: 'MISSES' },
    { type: 'xstate.after.join.subscription.connecting' },
    { type: 'xstate.after.system.subscription.joined.answered' },
    { type: 'xstate.after.calm.subscription.hearing' },
    { type: 'xstate.after.rebuild.subscription.deaf' },
    { type: 'xstate.done.actor.rebuild' },
    { type: 'xstate.error.actor.rebuild', error: new Error('no') },
  ]
  const input = { random: () => 0 }
  const unseen = neverSeen(subscriptionMachine, {
    input,
    events,
    identity: ({ value, context }) => [
      value,
      context.cause?.code === 'canary_late',
      Math.min(context.drops, DROPS_PER_CLIENT),
    ],
  })
  assert.deepEqual(unseen, [])
  const paths = simplePaths(subscriptionMachine, {
    input,
    events,
    identity: ({ value, context }) => [value, context.cause?.code === 'canary_late'],
  })
  assert.ok(paths.length > 300, `only ${paths.length} paths`)
  for (const path of paths) {
    const story = path.steps.map(step => step.event.type).join(' > ')
    const { value, context } = path.state
    if (value === 'hearing') {
      assert.equal(context.cause, null, story)
      const last = path.steps.findLast(step =>
        /CANARY|SYSTEM_ERROR|CLOSED|MISSES|DROPPED/.test(step.event.type),
      )
      assert.equal(last?.event.type, 'CANARY_HEARD', story)
    }
  }
})
