import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Asked, queryFaults } from './measure-queries.ts'

const asked: Asked = {
  query: 'expiring',
  rows: 100_000,
  medianMs: 4,
  ratio: 1.9,
  pages: 10,
  rowsRead: 2,
  indexes: ['attachments_pending_expiring'],
  scanned: [],
}

test('flat and by its index is no fault', () => {
  assert.deepEqual(queryFaults([asked]), [])
  assert.deepEqual(queryFaults([{ ...asked, ratio: null }]), [])
  assert.deepEqual(queryFaults([{ ...asked, medianMs: 1.5, ratio: 2.1 }]), [], 'less than a millisecond more')
})

test('what takes twice as long, reads a table in full or goes another way is named', () => {
  assert.match(
    queryFaults([{ ...asked, ratio: 2.1 }])[0] ?? '',
    /^expiring: 2.1 times as long with 100000 rows/,
  )
  assert.match(queryFaults([{ ...asked, scanned: ['attachments'] }])[0] ?? '', /reads attachments in full/)
  assert.match(queryFaults([{ ...asked, indexes: [] }])[0] ?? '', /does not use attachments_pending_expiring/)
})

test('a small table may be read in full', () => {
  assert.deepEqual(queryFaults([{ ...asked, rows: 1000, scanned: ['attachments'], indexes: [] }]), [])
})
