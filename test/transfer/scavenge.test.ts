import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scavengeAfter } from '../../src/transfer/scavenge.ts'

test('a young collection for every 16 MB that pass, and none where the collector is not exposed', t => {
  const collected: unknown[] = []
  const { gc } = globalThis
  t.after(() => {
    globalThis.gc = gc
  })
  globalThis.gc = undefined
  // Whatever has passed before in this process: from here on it begins anew.
  scavengeAfter(16 * 2 ** 20)
  globalThis.gc = ((options: unknown) => void collected.push(options)) as NonNullable<typeof gc>
  for (let at = 0; at < 47; at++) scavengeAfter(2 ** 20)
  assert.deepEqual(collected, [{ type: 'minor' }, { type: 'minor' }])
})
