import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createActor, SimulatedClock } from 'xstate'
import {
  CLOSE_TIMEOUT_MS,
  type DaemonEvent,
  type DaemonSnapshot,
  daemonMachine,
} from '../../machines/daemon.ts'
import { held, neverSeen, settled, simplePaths } from './support.ts'

function start() {
  const parts = {
    start: held<void, undefined>(),
    recover: held<{ paused: boolean }, undefined>(),
    drain: held<void, undefined>(),
    close: held<void, undefined>(),
  }
  const clock = new SimulatedClock()
  const machine = daemonMachine.provide({
    actors: {
      start: parts.start.logic,
      recover: parts.recover.logic,
      drain: parts.drain.logic,
      close: parts.close.logic,
    },
  })
  const actor = createActor(machine, { input: { drainTimeoutMs: 20_000 }, clock }).start()
  return {
    ...parts,
    actor,
    clock,
    send: (...types: DaemonEvent['type'][]) => {
      for (const type of types) actor.send({ type })
    },
    state: () => actor.getSnapshot().value,
    output: () => actor.getSnapshot().output,
    open: () => Object.values(parts).reduce((sum, part) => sum + part.open(), 0),
  }
}

async function running(paused = false) {
  const run = start()
  run.start.last().resolve()
  await settled()
  run.recover.last().resolve({ paused })
  await settled()
  return run
}

describe('the daemon', () => {
  test('starts, clears up, runs, pauses, drains, closes, stops', async () => {
    const run = start()
    assert.equal(run.state(), 'starting')
    run.start.last().resolve()
    await settled()
    assert.equal(run.state(), 'recovering')
    assert.equal(run.actor.getSnapshot().hasTag('ready'), false)
    run.recover.last().resolve({ paused: false })
    await settled()
    assert.equal(run.state(), 'running')
    run.send('PAUSE')
    assert.equal(run.actor.getSnapshot().hasTag('claiming'), false)
    assert.equal(run.actor.getSnapshot().hasTag('ready'), true)
    run.send('RESUME')
    assert.equal(run.state(), 'running')
    run.send('STOP')
    assert.equal(run.state(), 'draining')
    run.drain.last().resolve()
    await settled()
    assert.equal(run.state(), 'closing')
    run.close.last().resolve()
    await settled()
    assert.equal(run.state(), 'stopped')
    assert.deepEqual(run.output(), { failed: false, failure: null })
    assert.equal(run.open(), 0)
  })

  test('of a paused pipeline starts paused', async () => {
    const run = await running(true)
    assert.equal(run.state(), 'paused')
    run.send('STOP')
    assert.equal(run.state(), 'draining')
  })

  test('drains for as long as it may, closes for as long as it may', async () => {
    const run = await running()
    run.send('STOP')
    run.clock.increment(19_999)
    assert.equal(run.state(), 'draining')
    run.clock.increment(1)
    assert.equal(run.state(), 'closing')
    run.clock.increment(CLOSE_TIMEOUT_MS)
    assert.equal(run.state(), 'stopped')
    assert.equal(run.open(), 0)
  })

  test('a second STOP waits for nothing', async () => {
    const draining = await running()
    draining.send('STOP', 'STOP')
    assert.equal(draining.state(), 'stopped')
    const closing = start()
    closing.send('STOP')
    assert.equal(closing.state(), 'closing')
    closing.send('STOP')
    assert.equal(closing.state(), 'stopped')
    assert.equal(draining.open() + closing.open(), 0)
  })

  test('a failed start closes what had started and says why', async () => {
    const run = start()
    const reason = new Error('the port is taken')
    run.start.last().reject(reason)
    await settled()
    assert.equal(run.state(), 'closing')
    assert.equal(run.close.calls.length, 1)
    run.close.last().reject(new Error('and so is closing'))
    await settled()
    assert.equal(run.state(), 'failed')
    assert.deepEqual(run.output(), { failed: true, failure: reason })
  })

  test('a failed recovery too; a drain that breaks still closes', async () => {
    const run = start()
    run.start.last().resolve()
    await settled()
    run.recover.last().reject(new Error('no function release_claims'))
    await settled()
    assert.equal(run.state(), 'closing')
    const other = await running()
    other.send('STOP')
    other.drain.last().reject(new Error('x'))
    await settled()
    assert.equal(other.state(), 'closing')
  })

  test('told to stop while it starts, it stops', async () => {
    const run = start()
    run.send('STOP')
    assert.equal(run.start.last().signal.aborted, true)
    run.close.last().resolve()
    await settled()
    assert.equal(run.state(), 'stopped')
  })
})

test('every simple path takes every transition, reaches every state and ends', () => {
  const walk = {
    input: { drainTimeoutMs: 1 },
    events: [
      { type: 'PAUSE' },
      { type: 'RESUME' },
      { type: 'STOP' },
      { type: 'xstate.done.actor.start' },
      { type: 'xstate.error.actor.start', error: 'x' },
      { type: 'xstate.done.actor.recover', output: { paused: false } },
      { type: 'xstate.done.actor.recover', output: { paused: true } },
      { type: 'xstate.error.actor.recover', error: 'x' },
      { type: 'xstate.done.actor.drain' },
      { type: 'xstate.error.actor.drain', error: 'x' },
      { type: 'xstate.done.actor.close' },
      { type: 'xstate.error.actor.close', error: 'x' },
      { type: 'xstate.after.drain.daemon.draining' },
      { type: 'xstate.after.close.daemon.closing' },
    ],
    identity: ({ value, context }: DaemonSnapshot) => [value, context.hasFailed],
  }
  assert.deepEqual(neverSeen(daemonMachine, walk), [])
  for (const { state, steps } of simplePaths(daemonMachine, walk)) {
    const failed = steps.some(step => /error.actor.(start|recover)/.test(step.event.type))
    if (state.status === 'done') assert.equal(state.value, failed ? 'failed' : 'stopped')
  }
})
