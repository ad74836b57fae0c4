import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SystemEvent } from '../../src/database/database.ts'
import { createEventQueue } from '../../src/database/event-queue.ts'

const event = (name: string): SystemEvent => ({ attachmentId: null, event: name, detail: {} })

test('the beginning of an outage is told with its end, in order', async () => {
  const told: string[][] = []
  let away = true
  const queue = createEventQueue(async events => {
    if (away) throw new Error('away')
    told.push(events.map(each => each.event))
  })
  await queue.tell(event('circuit_opened'))
  assert.deepEqual(told, [])
  away = false
  await queue.tell(event('circuit_closed'))
  assert.deepEqual(told, [['circuit_opened', 'circuit_closed']])
})

test('what comes while a batch is under way goes with the next', async () => {
  const told: string[][] = []
  let release = (): void => undefined
  const queue = createEventQueue(async events => {
    told.push(events.map(each => each.event))
    if (told.length === 1) await new Promise<void>(resolve => (release = resolve))
  })
  const first = queue.tell(event('a'))
  void queue.tell(event('b'))
  void queue.tell(event('c'))
  release()
  await first
  assert.deepEqual(told, [['a'], ['b', 'c']])
})

test('an outage without end keeps the newest 200', async () => {
  const told: string[] = []
  let away = true
  const queue = createEventQueue(async events => {
    if (away) throw new Error('away')
    told.push(...events.map(each => each.event))
  })
  for (let n = 0; n < 300; n++) await queue.tell(event(String(n)))
  away = false
  await queue.tell(event('end'))
  assert.equal(told.length, 201)
  assert.equal(told[0], '100')
  assert.equal(told.at(-1), 'end')
})
