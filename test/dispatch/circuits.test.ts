import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Dependency } from '../../src/attachment.ts'
import { startCircuits } from '../../src/dispatch/circuits.ts'
import { door, down, failureOf, settled } from './support.ts'

function bench(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const probe = door<[Dependency, AbortSignal], undefined>()
  const changes: string[] = []
  const circuits = startCircuits({
    probes: {
      whatsapp: signal => probe.ask('whatsapp', signal),
      storage: signal => probe.ask('storage', signal),
      database: signal => probe.ask('database', signal),
    },
    failureOf,
    onChange: change => changes.push(`${change.dependency} ${change.type}`),
    random: () => 0,
  })
  t.after(() => circuits.stop())
  const trip = (dependency: Dependency, retryAfterMs?: number) =>
    circuits.trip(dependency, down(dependency, retryAfterMs).failure)
  return { circuits, probe, changes, trip, tick: (ms: number) => t.mock.timers.tick(ms) }
}

const never = new AbortController().signal

test('all closed at first; a trip opens one of them, once', t => {
  const { circuits, changes, trip } = bench(t)
  assert.equal(circuits.firstOpen(), null)
  trip('storage')
  trip('storage')
  assert.equal(circuits.firstOpen(), 'storage')
  assert.deepEqual(circuits.states(), { whatsapp: 'closed', storage: 'open', database: 'closed' })
  assert.equal(circuits.waitMs('storage'), 1000)
  assert.deepEqual(changes, ['storage opened'])
})

test('an outage is told with its reason, since when and how many probes, until it is over', async t => {
  const { circuits, probe, trip, tick } = bench(t)
  assert.equal(circuits.outage('whatsapp'), null)
  const before = Date.now()
  trip('whatsapp')
  const first = circuits.outage('whatsapp')
  assert.ok(first !== null && first.since.getTime() >= before && first.since.getTime() <= Date.now())
  assert.equal(first.probes, 0)
  assert.equal(first.code, down('whatsapp').failure.code)
  tick(1000)
  probe.at(0).reject(down('whatsapp'))
  await settled()
  const later = circuits.outage('whatsapp')
  assert.deepEqual([later?.probes, later?.since], [1, first.since], 'it began once')
  tick(2000)
  probe.at(1).resolve(undefined)
  await settled()
  assert.equal(circuits.outage('whatsapp'), null)
})

test('after its wait it probes by itself; still counts as open until the answer', async t => {
  const { circuits, probe, changes, trip, tick } = bench(t)
  trip('whatsapp')
  tick(1000)
  assert.equal(circuits.states().whatsapp, 'probing')
  assert.equal(circuits.firstOpen(), 'whatsapp')
  probe.at(0).reject(down('whatsapp'))
  await settled()
  assert.equal(circuits.waitMs('whatsapp'), 2000)
  tick(2000)
  probe.at(1).resolve(undefined)
  await settled()
  assert.equal(circuits.firstOpen(), null)
  assert.deepEqual(changes, ['whatsapp opened', 'whatsapp closed'])
})

test('a hundred who ask are one question', async t => {
  const { circuits, probe } = bench(t)
  const asked = Array.from({ length: 100 }, () => circuits.works('storage'))
  const other = circuits.works('whatsapp')
  await settled()
  assert.deepEqual(
    probe.calls.map(({ args: [dependency] }) => dependency),
    ['storage', 'whatsapp'],
  )
  probe.at(0).resolve(undefined)
  probe.at(1).resolve(undefined)
  assert.deepEqual(new Set(await Promise.all(asked)), new Set([true]))
  assert.equal(await other, true)

  void circuits.works('storage')
  assert.equal(probe.calls.length, 3, 'the next question is a new one')
})

test('a probe that fails opens the circuit, once for all who asked', async t => {
  const { circuits, probe, changes } = bench(t)
  const asked = Promise.all([circuits.works('storage'), circuits.works('storage')])
  probe.at(0).reject(down('storage', 30_000))
  assert.deepEqual(await asked, [false, false])
  assert.equal(circuits.states().storage, 'open')
  assert.equal(circuits.waitMs('storage'), 30_000)
  assert.deepEqual(changes, ['storage opened'])
})

test('while it is open nobody asks: a Retry-After is kept', async t => {
  const { circuits, probe, trip, tick } = bench(t)
  trip('whatsapp', 60_000)
  assert.equal(await circuits.works('whatsapp'), false)
  assert.equal(probe.calls.length, 0)
  tick(60_000)
  assert.equal(await circuits.works('whatsapp'), false)
  assert.equal(probe.calls.length, 1)
})

test('closed(): at once, when it closes, or when the caller gives up', async t => {
  const { circuits, probe, trip, tick } = bench(t)
  await circuits.closed('database', never)
  trip('database')
  const gone = new AbortController()
  const waits = circuits.closed('database', never)
  const leaves = assert.rejects(circuits.closed('database', gone.signal), /lost it/)
  gone.abort(new Error('lost it'))
  await leaves
  await assert.rejects(circuits.closed('database', gone.signal), /lost it/, 'also when it is aborted already')
  let closed = false
  void waits.then(() => {
    closed = true
  })
  tick(1000)
  await settled()
  assert.equal(closed, false, 'probing is not closed')
  probe.at(0).resolve(undefined)
  await waits
})

test('stop aborts every probe, ends every wait, and nothing runs afterwards', async t => {
  const { circuits, probe, changes, trip, tick } = bench(t)
  trip('database')
  tick(1000)
  const works = circuits.works('storage')
  const waits = assert.rejects(circuits.closed('database', never), /stopped/)
  trip('whatsapp')
  changes.length = 0
  circuits.stop()
  await waits
  for (const { args } of probe.calls) assert.equal(args[1].aborted, true)
  probe.at(1).reject(new Error('aborted'))
  assert.equal(await works, false)

  tick(3_600_000)
  await settled()
  trip('storage')
  assert.equal(await circuits.works('storage'), false)
  await assert.rejects(circuits.closed('storage', never), /stopped/, 'or who retries would do so for ever')
  assert.equal(probe.calls.length, 2)
  assert.deepEqual(changes, [])
  circuits.stop()
})

test('a probe that answers after the stop closes nothing', async t => {
  const { circuits, probe } = bench(t)
  const works = circuits.works('storage')
  circuits.stop()
  probe.at(0).resolve(undefined)
  assert.equal(await works, false)
})
