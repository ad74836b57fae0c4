import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createReader } from '../../../src/local/realtime/reader.ts'
import type { StreamMessage } from '../../../src/local/realtime/rows.ts'

const row = (relationOid: number): StreamMessage => ({
  tag: 'row',
  type: 'INSERT',
  relationOid,
  bytes: Buffer.alloc(0),
})
const begin: StreamMessage = { tag: 'begin', commitLsn: null, commitTime: 0n, xid: 1 }
const commit = (commitEndLsn: string): StreamMessage => ({
  tag: 'commit',
  flags: 0,
  commitLsn: null,
  commitEndLsn,
  commitTime: 0n,
})
/** What was read is over after a tick. */
const readEnds = (): Promise<void> => new Promise(resolve => process.nextTick(resolve))

function scene({ mock }: TestContext) {
  mock.timers.enable({ apis: ['setTimeout'] })
  const said: string[] = []
  const waits = new Map<number, Promise<void>>()
  const reader = createReader({
    handle(message) {
      if (message.tag !== 'row') return undefined
      said.push(`row ${message.relationOid}`)
      return waits.get(message.relationOid)
    },
    confirm: lsn => said.push(`confirm ${lsn}`),
    wire: () => ({ pause: () => said.push('pause'), resume: () => said.push('resume') }),
  })
  return { reader, said, waits, tick: (ms: number) => mock.timers.tick(ms) }
}

test('what needs no waiting is handled as it comes, and one row brings no rest', async context => {
  const { reader, said } = scene(context)
  reader.take(begin)
  reader.take(row(1))
  reader.take(commit('0/2'))
  assert.deepEqual(said, ['row 1'])
  await readEnds()
  assert.deepEqual(said, ['row 1'])
})

test('the commits of 100 ms are confirmed together, and what PostgreSQL asks for at once', context => {
  const { reader, said, tick } = scene(context)
  for (const lsn of ['0/1', '0/2', '0/3']) reader.take(commit(lsn))
  tick(99)
  assert.deepEqual(said, [])
  tick(1)
  assert.deepEqual(said.splice(0), ['confirm 0/3'])
  reader.take(commit('0/4'))
  reader.asked('0/5')
  assert.deepEqual(said.splice(0), ['confirm 0/5'])
  tick(100)
  assert.deepEqual(said, [])
})

test('many rows of a transaction bring a rest of 2 ms before the next read', async context => {
  const { reader, said, tick } = scene(context)
  reader.take(begin)
  reader.take(row(1))
  await readEnds()
  reader.take(row(2))
  assert.deepEqual(said, ['row 1', 'row 2'])
  await readEnds()
  assert.deepEqual(said.slice(2), ['pause'])
  tick(2)
  assert.deepEqual(said.slice(2), ['pause', 'resume'])
})

test('what comes behind a row that has to wait is handled behind it, and nothing more is read', async context => {
  const { reader, said, waits, tick } = scene(context)
  const first = Promise.withResolvers<void>()
  waits.set(1, first.promise)
  reader.take(row(1))
  reader.take(begin)
  reader.take(row(2))
  reader.take(commit('0/9'))
  await readEnds()
  assert.deepEqual(said, ['row 1', 'pause'])
  first.resolve()
  await first.promise
  await readEnds()
  tick(100)
  assert.deepEqual(said, ['row 1', 'pause', 'row 2', 'resume', 'confirm 0/9'])
})

test('after the end nothing is handled or confirmed, also not what came already', async context => {
  const { reader, said, waits, tick } = scene(context)
  const first = Promise.withResolvers<void>()
  waits.set(1, first.promise)
  reader.take(commit('0/1'))
  reader.take(row(1))
  reader.take(row(2))
  reader.end()
  first.resolve()
  await readEnds()
  reader.take(row(3))
  tick(100)
  assert.deepEqual(said, ['row 1', 'pause', 'resume'])
})
