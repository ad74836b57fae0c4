import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cursorAtHorizon, cursorFault, type Page } from '../../src/intake/cursor.ts'

const page: Page = { cluster: 'a/1', horizon: '900', next: '905', anchor: '800', rows: [] }
const cursor = { cluster: 'a/1', xid: '800', id: 7 }

test('a cursor whose row is where it was is good', () => {
  assert.equal(cursorFault(cursor, page), null)
  assert.equal(cursorFault({ ...cursor, xid: '905', id: 0 }, { ...page, anchor: null }), null)
})

test('another cluster, a database behind it, a row that is gone or another: dropped', () => {
  assert.match(cursorFault(cursor, { ...page, cluster: 'b/1' }) ?? '', /another database cluster/)
  assert.match(cursorFault({ ...cursor, xid: '906' }, { ...page, anchor: '906' }) ?? '', /restored/)
  assert.match(cursorFault(cursor, { ...page, anchor: '801' }) ?? '', /its row/)
  assert.match(cursorFault(cursor, { ...page, anchor: null }) ?? '', /its row/)
})

test('transaction ids are compared whole, beyond what a number can tell apart', () => {
  const far = { cluster: 'a/1', xid: '18446744073709551615', id: 0 }
  assert.match(cursorFault(far, { ...page, next: '18446744073709551614' }) ?? '', /restored/)
  assert.equal(cursorFault(far, { ...page, next: '18446744073709551615' }), null)
  assert.equal(
    cursorFault({ ...cursor, id: 0, xid: '99' }, { ...page, next: '100' }),
    null,
    'and not as text',
  )
})

test('without a cursor it goes on at the horizon', () => {
  assert.deepEqual(cursorAtHorizon(page), { cluster: 'a/1', xid: '900', id: 0 })
})
