import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { type SummaryAnswer, summaryShape } from '../../src/api-shapes.ts'
import { createLive } from '../../src/ops/live.ts'
import { readJson, startTestOps } from '../support/ops.ts'

let summary: SummaryAnswer
let reads = 0

beforeEach(async t => {
  const ops = await startTestOps()
  summary = await readJson(fetch(`${ops.url}/api/summary`), summaryShape)
  await ops.stop()
  reads = 0
  if ('mock' in t) t.mock.timers.enable({ apis: ['setInterval'] })
})

const live = (most = 50) =>
  createLive({
    read: async () => {
      reads++
      return { ...summary, now: String(reads) }
    },
    most,
  })

/** Lets promises that are settled be noticed. */
const turn = () => new Promise(setImmediate)

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { value } = await reader.read()
  return new TextDecoder().decode(value)
}

test('a summary at once, then only when something but the time has changed, one reading for all', async t => {
  const all = live()
  const readers = [1, 2, 3].map(() => all.listen()?.getReader())
  for (const reader of readers) {
    assert.ok(reader)
    assert.match(await next(reader), /^retry: \d+\n\n$/)
    assert.match(await next(reader), /^event: summary\ndata: \{.*\}\n\n$/)
  }
  const [first] = readers
  assert.ok(first)
  t.mock.timers.tick(1000)
  await turn()
  await next(first)
  const before = reads
  t.mock.timers.tick(1000)
  await turn()
  t.mock.timers.tick(1000)
  await turn()
  assert.equal(reads, before + 2, 'one reading a second for three listeners')
  summary = { ...summary, due: 5 }
  t.mock.timers.tick(1000)
  const text = await next(first)
  assert.equal(JSON.parse(text.split('data: ')[1] ?? '').due, 5)
  all.stop()
  assert.equal((await first.read()).done, true)
})

test('nothing is read when nobody listens any more', async t => {
  const all = live()
  const stream = all.listen()
  assert.equal(all.listeners, 1)
  await stream?.cancel()
  assert.equal(all.listeners, 0)
  const before = reads
  t.mock.timers.tick(60_000)
  await turn()
  assert.equal(reads, before)
})

test('a comment every fifteen seconds keeps the connection', async t => {
  const all = live()
  const reader = all.listen()?.getReader()
  assert.ok(reader)
  await next(reader)
  await next(reader)
  t.mock.timers.tick(15_000)
  const texts = [await next(reader), await next(reader)]
  assert.ok(texts.includes(': still here\n\n'), texts.join('|'))
  all.stop()
})

test('a listener that takes nothing is let go, the others stay', async t => {
  const all = live()
  const stuck = all.listen()
  const reader = all.listen()?.getReader()
  assert.ok(reader && stuck)
  for (let at = 0; at < 20; at++) {
    summary = { ...summary, due: at }
    t.mock.timers.tick(1000)
    await turn()
    await next(reader)
  }
  assert.equal(all.listeners, 1)
  all.stop()
})

test('only so many may listen', () => {
  const all = live(1)
  assert.notEqual(all.listen(), null)
  assert.equal(all.listen(), null)
  all.stop()
  all.stop()
  assert.equal(all.listeners, 0)
})

test('a database that is away ends no stream', async t => {
  let away = true
  const all = createLive({
    read: async () => {
      if (away) throw new Error('away')
      return summary
    },
  })
  const reader = all.listen()?.getReader()
  assert.ok(reader)
  await next(reader)
  t.mock.timers.tick(1000)
  await turn()
  away = false
  t.mock.timers.tick(1000)
  assert.match(await next(reader), /^event: summary/)
  all.stop()
})
