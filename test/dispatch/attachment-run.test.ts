import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claim, Failure, ResolvedMedia, Settlement, StoredObject } from '../../src/attachment.ts'
import { type AttachmentWork, attachmentStarter } from '../../src/dispatch/attachment-run.ts'
import { claimOf, door, Fault, heldWork, settled } from './support.ts'

const DUE = Date.parse('2026-11-01T00:00:00Z')

function started(changes: Partial<AttachmentWork> = {}) {
  const held = heldWork()
  const run = attachmentStarter({ ...held.work, ...changes })(claimOf(7))
  const seen = { laneFree: false, done: false }
  void run.done.then(() => {
    seen.done = true
  })
  const begin = async () => {
    void run.runInLane().then(() => {
      seen.laneFree = true
    })
    await settled()
  }
  return { ...held, run, begin, seen }
}

test('the lane is free before the database has answered', async () => {
  const { run, begin, seen, lane, settle } = started()
  await begin()
  assert.equal(lane.calls.length, 1)
  assert.deepEqual(seen, { laneFree: false, done: false })
  assert.equal(run.settling(), false)

  lane.at(0).resolve(undefined)
  await settled()
  assert.deepEqual(seen, { laneFree: true, done: false })
  assert.equal(run.settling(), true)

  settle.at(0).resolve('applied')
  const { output, claim } = await run.done
  assert.equal(claim.id, 7)
  assert.ok(!output.lost)
  assert.equal(output.answer, 'applied')
  assert.equal(output.settlement.outcome, 'uploaded')
  assert.equal(run.settling(), false)
})

test('timings: from being due to the lane, and in the lane', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: DUE + 4000 })
  const { run, begin, lane, settle } = started()
  await begin()
  t.mock.timers.setTime(DUE + 9500)
  lane.at(0).resolve(undefined)
  await settled()
  t.mock.timers.setTime(DUE + 60_000)
  settle.at(0).resolve('applied')
  const { waitMs, laneMs } = await run.done
  assert.deepEqual({ waitMs, laneMs }, { waitMs: 4000, laneMs: 5500 })
})

test('a clock that is behind the database, or set back, makes no negative time', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: DUE - 10_000 })
  const { run, begin, lane, settle } = started()
  await begin()
  t.mock.timers.setTime(DUE - 20_000)
  lane.at(0).resolve(undefined)
  await settled()
  settle.at(0).resolve('applied')
  const { waitMs, laneMs } = await run.done
  assert.deepEqual({ waitMs, laneMs }, { waitMs: 0, laneMs: 0 })
})

test('interrupted while it waits: it is given back, and its turn in a lane passes at once', async () => {
  const { run, begin, seen, lane, settle, told } = started()
  run.interruptIfWaiting('whatsapp', 5000)
  await settled()
  assert.deepEqual(told(), ['7 interrupted whatsapp_down'])
  const [, settlement] = settle.at(0).args
  assert.ok(settlement.outcome === 'interrupted')
  assert.equal(settlement.retryInMs, 5000)

  await begin()
  assert.equal(seen.laneFree, true)
  assert.equal(lane.calls.length, 0)
  settle.at(0).resolve('applied')
  assert.deepEqual((await run.done).waitMs, 0)
})

test('interruptIfWaiting leaves alone what a lane works on, interrupt aborts it', async () => {
  const { run, begin, seen, lane, told } = started()
  await begin()
  run.interruptIfWaiting('drain', 0)
  await settled()
  assert.deepEqual(told(), [])
  run.interrupt('drain', 0)
  await settled()
  assert.equal(lane.at(0).args[1].aborted, true)
  assert.equal(seen.laneFree, true)
  assert.deepEqual(told(), ['7 interrupted stopping'])
})

test('a refused download is tried once more with the fresh address, then judged', async () => {
  const transfer = door<[Claim, ResolvedMedia], StoredObject>()
  const judge = door<[Claim, Failure], Settlement>()
  const refused: Failure = { verdict: 'retry', code: 'download_refused', message: 'no' }
  let asked = 0
  const { run, begin, told } = started({
    resolve: async () => ({ url: `https://media.test/${++asked}`, mimeType: null, sha256: null, size: null }),
    transfer: transfer.ask,
    judge: judge.ask,
  })
  await begin()
  for (const address of [1, 2]) {
    assert.equal(transfer.at(address - 1).args[1].url, `https://media.test/${address}`)
    transfer.at(address - 1).reject(new Fault(refused))
    await settled()
  }
  assert.equal(run.state(), 'judging')
  assert.deepEqual(judge.at(0).args[1], refused)
  judge.at(0).resolve({ outcome: 'failed', code: 'media_gone', message: 'gone' })
  await settled()
  assert.deepEqual(told(), ['7 failed media_gone'])
})

test('an event that comes of aborting work finds the next state begun, and is heard', async () => {
  const { run, begin, lane, settle } = started()
  await begin()
  lane.at(0).args[1].addEventListener('abort', () => run.loseLease())
  run.interrupt('drain', 0)
  assert.equal(settle.at(0).args[2].aborted, true)
  assert.equal(run.state(), 'released')
  assert.deepEqual((await run.done).output, { lost: true, failure: null })
})

test('a lost lease frees the lane, aborts its work and settles nothing', async () => {
  const { run, begin, seen, lane, told } = started()
  await begin()
  run.loseLease()
  assert.deepEqual((await run.done).output, { lost: true, failure: null })
  await settled()
  assert.equal(lane.at(0).args[1].aborted, true)
  assert.equal(seen.laneFree, true)
  assert.deepEqual(told(), [])
})

test('a lost lease aborts the signal of the settling', async () => {
  const { run, begin, lane, settle } = started()
  await begin()
  lane.at(0).resolve(undefined)
  await settled()
  const [, , signal] = settle.at(0).args
  assert.equal(signal.aborted, false)
  run.loseLease()
  assert.equal((await run.done).output.lost, true)
  assert.equal(signal.aborted, true)
})

test('a settling that fails ends the run, with the reason', async () => {
  const { run, begin, lane, settle } = started()
  await begin()
  lane.at(0).resolve(undefined)
  await settled()
  settle.at(0).reject(new Error('no more'))
  const { output } = await run.done
  assert.ok(output.lost)
  assert.match(output.failure?.message ?? '', /no more/)
})

test('a fault in the machine itself costs the claim, and neither the lane nor the process', async () => {
  const { run, begin, seen, lane } = started({
    failureOf: error => {
      if (String(error).includes('twice')) throw new Error('failureOf is broken')
      return { verdict: 'interrupted', dependency: null, code: 'broken', message: String(error) }
    },
  })
  await begin()
  lane.at(0).reject(new Error('twice'))
  const { output } = await run.done
  assert.ok(output.lost)
  assert.equal(output.failure?.code, 'broken')
  await settled()
  assert.equal(seen.laneFree, true)
})

test('what work that was left behind throws is not looked at: it cannot break off what came after it', async () => {
  const { run, begin, lane, settle } = started({
    failureOf: () => {
      throw new Error('failureOf is broken')
    },
  })
  await begin()
  run.interrupt('drain', 0)
  lane.at(0).reject(new Error('aborted'))
  await settled()
  assert.equal(run.settling(), true)
  settle.at(0).resolve('applied')
  assert.equal((await run.done).output.lost, false)
})
