import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIsolation } from '../../src/dispatch/isolation.ts'
import { settled } from './support.ts'

/** Starts one piece of work for each number of lost leases; `running` are the names under way, in their order. */
function bench() {
  const isolation = createIsolation()
  const running: string[] = []
  const ends = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  return {
    running,
    begin: (name: string, lostLeases: number) =>
      isolation.run({ lostLeases }, () => {
        running.push(name)
        return new Promise<void>((resolve, reject) => ends.set(name, { resolve, reject }))
      }),
    async end(name: string, error?: Error) {
      running.splice(running.indexOf(name), 1)
      const end = ends.get(name)
      if (error === undefined) end?.resolve()
      else end?.reject(error)
      await settled()
    },
  }
}

test('up to one lost lease shares', async () => {
  const { begin, running } = bench()
  void begin('a', 0)
  void begin('b', 1)
  await settled()
  assert.deepEqual(running, ['a', 'b'])
})

test('with two lost leases it waits for those under way, runs alone, and the next wait for it', async () => {
  const { begin, running, end } = bench()
  void begin('a', 0)
  void begin('b', 0)
  void begin('alone', 2)
  void begin('c', 0)
  void begin('d', 0)
  await settled()
  assert.deepEqual(running, ['a', 'b'], 'c must not overtake, or the one that waits would starve')
  await end('a')
  assert.deepEqual(running, ['b'])
  await end('b')
  assert.deepEqual(running, ['alone'])
  await end('alone')
  assert.deepEqual(running, ['c', 'd'])
})

test('several that run alone go one after the other', async () => {
  const { begin, running, end } = bench()
  void begin('x', 2)
  void begin('y', 4)
  void begin('z', 0)
  await settled()
  assert.deepEqual(running, ['x'])
  await end('x')
  assert.deepEqual(running, ['y'])
  await end('y')
  assert.deepEqual(running, ['z'])
})

test('a failure is passed on and lets the next begin', async () => {
  const { begin, running, end } = bench()
  const failing = begin('x', 3)
  const refused = assert.rejects(failing, /broken/)
  void begin('y', 0)
  await settled()
  await end('x', new Error('broken'))
  await refused
  assert.deepEqual(running, ['y'])
})
