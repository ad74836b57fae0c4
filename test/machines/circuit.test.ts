import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createActor, SimulatedClock } from 'xstate'
import { adviceFor } from '../../machines/advice.ts'
import {
  CALM_MS,
  type CircuitEmitted,
  type CircuitSnapshot,
  circuitMachine,
  FIRST_WAIT_MS,
  LONGEST_RETRY_AFTER_MS,
  LONGEST_WAIT_MS,
  probeDelay,
} from '../../machines/circuit.ts'
import type { Dependency, Failure } from '../../src/attachment.ts'
import { held, neverSeen, settled, simplePaths } from './support.ts'

const down = { code: 'timeout', message: 'no answer' }

function failureOf(error: unknown): Failure {
  return { verdict: 'retry', code: 'probe', message: String(error), ...(error instanceof Later ? error : {}) }
}

class Later {
  readonly retryAfterMs: number
  constructor(ms: number) {
    this.retryAfterMs = ms
  }
}

function start(random = () => 0) {
  const probe = held<void, { dependency: Dependency }>()
  const clock = new SimulatedClock()
  const emitted: CircuitEmitted[] = []
  const actor = createActor(circuitMachine.provide({ actors: { probe: probe.logic } }), {
    input: { dependency: 'storage', failureOf, random },
    clock,
  })
  actor.on('*', event => {
    emitted.push(event)
  })
  actor.start()
  return { actor, probe, clock, emitted, state: () => actor.getSnapshot().value }
}

describe('probeDelay', () => {
  test('doubles up to a minute', () => {
    const waits = [0, 1, 2, 3, 4, 5, 6, 7, 100].map(n => probeDelay(n, undefined, 0))
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  })

  test('jitter takes up to half away and never adds', () => {
    assert.equal(probeDelay(0, undefined, 0.5), 750)
    assert.equal(probeDelay(100, undefined, 0.999_999), 30_000)
    assert.equal(probeDelay(100, undefined, 0), LONGEST_WAIT_MS)
  })

  test('obeys a Retry-After, without jitter, up to an hour', () => {
    assert.equal(probeDelay(0, 20_000, 0.9), 20_000)
    assert.equal(probeDelay(0, 600_000, 0.9), 600_000)
    assert.equal(probeDelay(0, 365 * 86_400_000, 0.9), LONGEST_RETRY_AFTER_MS)
    assert.equal(probeDelay(6, 10, 0), 60_000, 'a shorter one does not make us hurry')
  })
})

describe('an outage', () => {
  test('opens, probes and closes, with one word at each end', async () => {
    const run = start()
    assert.equal(run.state(), 'closed')
    run.actor.send({ type: 'TRIP', failure: down })
    run.actor.send({ type: 'TRIP', failure: down })
    assert.equal(run.state(), 'open')
    run.clock.increment(FIRST_WAIT_MS - 1)
    assert.equal(run.probe.calls.length, 0)
    run.clock.increment(1)
    assert.equal(run.state(), 'probing')
    assert.deepEqual(run.probe.last().input, { dependency: 'storage' })
    run.probe.last().resolve()
    await settled()
    assert.equal(run.state(), 'closed')
    assert.deepEqual(run.emitted, [
      {
        type: 'opened',
        dependency: 'storage',
        ...down,
        advice: adviceFor('storage', 'timeout'),
        probeInMs: 1000,
      },
      { type: 'closed', dependency: 'storage', code: 'timeout', probes: 1 },
    ])
  })

  test('of a whole day is probed once a minute at most, and told once', async () => {
    const run = start()
    run.actor.send({ type: 'TRIP', failure: down })
    const day = 86_400_000
    let longest = 0
    let probes = 0
    while (run.clock.now() < day) {
      const wait = run.actor.getSnapshot().context.waitMs
      longest = Math.max(longest, wait)
      run.clock.increment(wait)
      probes++
      assert.equal(run.probe.calls.length, probes)
      run.probe.last().reject('still down')
      await settled()
      assert.equal(run.state(), 'open')
    }
    assert.equal(longest, LONGEST_WAIT_MS)
    assert.ok(probes > 1400 && probes < 1460, `${probes} probes in a day`)
    assert.equal(run.emitted.length, 1)
    assert.ok(JSON.stringify(run.actor.getPersistedSnapshot()).length < 1000, 'nothing grows')
  })

  test('a Retry-After of the probe is waited for', async () => {
    const run = start()
    run.actor.send({ type: 'TRIP', failure: down })
    run.clock.increment(1000)
    run.probe.last().reject(new Later(120_000))
    await settled()
    run.clock.increment(119_999)
    assert.equal(run.state(), 'open')
    run.clock.increment(1)
    assert.equal(run.state(), 'probing')
  })

  test('a late failure that names a later time puts the probe off; one that does not changes nothing', () => {
    const run = start()
    run.actor.send({ type: 'TRIP', failure: down })
    run.clock.increment(900)
    run.actor.send({ type: 'TRIP', failure: { ...down, retryAfterMs: 500 } })
    run.clock.increment(100)
    assert.equal(run.state(), 'probing')
    run.actor.send({ type: 'TRIP', failure: down })
    assert.equal(run.state(), 'probing')
    run.actor.send({ type: 'TRIP', failure: { ...down, retryAfterMs: 5000 } })
    assert.equal(run.state(), 'open')
    assert.equal(run.probe.open(), 0, 'the probe was aborted')
    run.actor.send({ type: 'TRIP', failure: { ...down, retryAfterMs: 9000 } })
    run.clock.increment(8999)
    assert.equal(run.state(), 'open')
    run.clock.increment(1)
    assert.equal(run.state(), 'probing')
  })

  test('a success that somebody else saw closes it and aborts the probe', () => {
    const run = start()
    run.actor.send({ type: 'TRIP', failure: down })
    run.actor.send({ type: 'PROBE_OK' })
    assert.equal(run.state(), 'closed')
    run.actor.send({ type: 'TRIP', failure: down })
    run.clock.increment(60_000)
    assert.equal(run.state(), 'probing')
    run.actor.send({ type: 'PROBE_OK' })
    assert.equal(run.state(), 'closed')
    assert.equal(run.probe.open(), 0)
  })

  test('one that flaps is asked less and less often, until a calm minute has passed', () => {
    const run = start()
    const waits: number[] = []
    const flap = () => {
      run.actor.send({ type: 'TRIP', failure: down })
      waits.push(run.actor.getSnapshot().context.waitMs)
      run.actor.send({ type: 'PROBE_OK' })
    }
    for (let turn = 0; turn < 8; turn++) flap()
    run.clock.increment(CALM_MS)
    flap()
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 1000])
  })

  test('stopping it leaves no probe and no timer', () => {
    const run = start()
    run.actor.send({ type: 'TRIP', failure: down })
    run.clock.increment(1000)
    run.actor.stop()
    assert.equal(run.probe.open(), 0)
    run.clock.increment(10_000_000)
    assert.equal(run.probe.calls.length, 1)
  })
})

test('every simple path takes every transition and reaches every state', () => {
  const walk = {
    input: { dependency: 'whatsapp', failureOf, random: () => 0 },
    events: [
      { type: 'TRIP', failure: down },
      { type: 'TRIP', failure: { ...down, retryAfterMs: 100_000 } },
      { type: 'PROBE_OK' },
      { type: 'PROBE_FAILED', failure: down },
      { type: 'xstate.done.actor.probe' },
      { type: 'xstate.error.actor.probe', error: 'down' },
      { type: 'xstate.after.wait.circuit.open' },
      { type: 'xstate.after.calm.circuit.closed' },
    ],
    identity: ({ value, context }: CircuitSnapshot) => [
      value,
      Math.min(context.waits, 2),
      context.waitMs > 60_000,
      context.probes > 0,
    ],
  }
  assert.deepEqual(neverSeen(circuitMachine, walk), [])
  const paths = simplePaths(circuitMachine, walk)
  assert.ok(paths.length > 20, `only ${paths.length} paths`)
  for (const { state } of paths) {
    assert.equal(
      state.value === 'closed',
      state.context.outage === null,
      'an outage is known exactly while it lasts',
    )
  }
})

test('every dependency has advice for a code nobody foresaw', () => {
  for (const dependency of ['whatsapp', 'storage', 'database'] as const) {
    assert.match(adviceFor(dependency, 'never seen'), /asked again by itself/)
    assert.match(adviceFor(dependency, 'toString'), /asked again by itself/)
  }
  assert.match(adviceFor('whatsapp', 'token_rejected'), /WHATSAPP_ACCESS_TOKEN/)
})
