import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SettlementOfClaim } from '../../src/attachment.ts'
import { giveBackOrphans } from '../../src/dispatch/orphans.ts'

function world(held: readonly { id: number; claimToken: number }[], live: readonly number[]) {
  const pages: (readonly SettlementOfClaim[])[] = []
  const run = () =>
    giveBackOrphans({
      held: async () => held,
      isLive: ({ id }) => live.includes(id),
      settle: async items => pages.push(items),
    })
  return { pages, run }
}

test('claims without an actor are given back uncounted, those with one are left alone', async () => {
  const { pages, run } = world(
    [
      { id: 2, claimToken: 4 },
      { id: 3, claimToken: 1 },
    ],
    [3],
  )
  assert.equal(await run(), 1)
  assert.deepEqual(
    pages.flat().map(({ id, claimToken, settlement }) => [id, claimToken, settlement.outcome]),
    [[2, 4, 'interrupted']],
  )
})

test('many are given back in pages', async () => {
  const { pages, run } = world(
    Array.from({ length: 450 }, (_, index) => ({ id: index + 1, claimToken: 1 })),
    [],
  )
  assert.equal(await run(), 450)
  assert.deepEqual(
    pages.map(page => page.length),
    [200, 200, 50],
  )
})

test('nothing held is no call', async () => {
  const { pages, run } = world([], [])
  assert.equal(await run(), 0)
  assert.equal(pages.length, 0)
})
