import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expectationOf, hexSha256, mismatch } from '../../src/transfer/integrity.ts'
import { claimOf, sha256 } from './servers.ts'

const bytes = Buffer.from('hello')
const right = sha256(bytes)
const arrived = { sha256: right, size: 5 }

test('a hash is hex or base64, told apart by its shape', () => {
  assert.equal(hexSha256(right), right)
  assert.equal(hexSha256(right.toUpperCase()), right)
  const base64 = Buffer.from(right, 'hex').toString('base64')
  assert.equal(base64.length, 44)
  assert.equal(hexSha256(base64), right)
  assert.equal(hexSha256(base64.slice(0, 43)), right)
  assert.equal(hexSha256(Buffer.from(right, 'hex').toString('base64url')), right)
  for (const odd of ['', 'x', right.slice(1), `${right}0`, `${base64}=`, 'ü'.repeat(64)])
    assert.equal(hexSha256(odd), null, odd)
})

test("Graph's declaration counts before the webhook's", () => {
  const claim = claimOf({ declaredSha256: 'a'.repeat(64), declaredMimeType: 'image/png' })
  const silent = { url: '', mimeType: null, sha256: null, size: null }
  assert.deepEqual(expectationOf(claim, silent), {
    sha256: 'a'.repeat(64),
    size: null,
    mimeType: 'image/png',
  })
  const loud = { url: '', mimeType: 'image/jpeg', sha256: right, size: 5 }
  assert.deepEqual(expectationOf(claim, loud), { sha256: right, size: 5, mimeType: 'image/jpeg' })
})

test('size and hash decide, each where it was declared', () => {
  const expected = (sha: string | null, size: number | null) => ({ sha256: sha, size, mimeType: null })
  assert.equal(mismatch(expected(right, 5), arrived), null)
  assert.equal(mismatch(expected(null, 5), arrived), null)
  assert.equal(mismatch(expected(right, null), arrived), null)
  assert.equal(mismatch(expected(null, null), arrived), null)
  assert.equal(mismatch(expected(right, 6), arrived), '5 bytes arrived, 6 were declared.')
  assert.match(mismatch(expected('0'.repeat(64), 5), arrived) ?? '', /^SHA-256 is 2cf2.*declared was 0000/)
  assert.equal(
    mismatch(expected(null, 0), { sha256: right, size: 0 }),
    null,
    'empty is right when declared so',
  )
})
