import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketSegment, extensionOf, keyFault, lowerKeys, objectKey } from '../../src/transfer/object-key.ts'
import { TransferError } from '../../src/transfer/transfer-error.ts'
import { claimOf } from './servers.ts'

test('a key names the lead, the attachment, the claim and the declared type', () => {
  assert.equal(objectKey(claimOf()), '5/41-1.jpg')
  const other = { objectPrefix: 'unassigned', claimToken: 12, declaredMimeType: 'audio/ogg; codecs=opus' }
  assert.equal(objectKey(claimOf(other)), 'unassigned/41-12.ogg')
})

test('no two claims of a row have the same key, and each can name the earlier ones', () => {
  const claim = claimOf({ claimToken: 4 })
  assert.deepEqual(lowerKeys(claim), ['5/41-3.jpg', '5/41-2.jpg', '5/41-1.jpg'])
  assert.deepEqual(lowerKeys(claimOf()), [])
  assert.ok(!lowerKeys(claim).includes(objectKey(claim)))
  assert.equal(lowerKeys(claimOf({ claimToken: 1_000_000 })).length, 200)
})

test('extensions', () => {
  const cases: [string | null, string][] = [
    ['image/jpeg', 'jpg'],
    ['Image/JPEG', 'jpg'],
    ['image/png', 'png'],
    ['image/webp', 'webp'],
    ['video/mp4', 'mp4'],
    ['audio/ogg; codecs=opus', 'ogg'],
    ['audio/mpeg', 'mp3'],
    ['application/pdf', 'pdf'],
    ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
    ['text/html', 'bin'],
    ['image/svg+xml', 'bin'],
    ['application/x-../../etc', 'bin'],
    ['__proto__', 'bin'],
    ['constructor', 'bin'],
    ['', 'bin'],
    [null, 'bin'],
  ]
  for (const [type, extension] of cases) assert.equal(extensionOf(type), extension, String(type))
})

test('what cannot be made safe is refused for good', () => {
  const bad = [
    '',
    '..',
    'a/../b',
    '/a',
    'a/',
    'a//b',
    'a b',
    'a#b',
    'a%2e',
    'ü',
    'a\0',
    'a\n',
    '.',
    'x'.repeat(201),
  ]
  for (const objectPrefix of bad) {
    assert.throws(() => objectKey(claimOf({ objectPrefix })), isUnsafe, objectPrefix)
  }
  assert.throws(() => objectKey(claimOf({ id: Number.NaN })), isUnsafe)
  assert.throws(() => objectKey(claimOf({ claimToken: 0 })), isUnsafe)
  assert.throws(
    () => objectKey(claimOf({ objectPrefix: Array(20).fill('x'.repeat(100)).join('/') })),
    isUnsafe,
  )
  for (const bucket of ['', '.', '..', 'a/b', 'a#b', 'ü', 'x'.repeat(101)]) {
    assert.throws(() => bucketSegment(bucket), isUnsafe, bucket)
  }
  assert.equal(bucketSegment('my files'), 'my%20files')
})

test('hostile rows give a safe key or a typed error', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('..', 'a/..', '5', 'image/%2e%2e', 'a/b\\..'),
  )
  fc.assert(
    fc.property(
      text,
      fc.option(text),
      fc.oneof(fc.integer(), fc.double()),
      fc.double(),
      (objectPrefix, declaredMimeType, id, claimToken) => {
        let key: string
        try {
          key = objectKey(claimOf({ objectPrefix, declaredMimeType, id, claimToken }))
        } catch (error) {
          assert.ok(isUnsafe(error))
          return
        }
        assert.equal(keyFault(key), null)
        const path = new URL(`http://h/storage/v1/object/b/${key}`).pathname
        assert.equal(path, `/storage/v1/object/b/${key}`, 'an address leaves it as it is')
      },
    ),
    { numRuns: 1000 },
  )
})

function isUnsafe(error: unknown): boolean {
  return (
    error instanceof TransferError &&
    error.failure.code === 'object_key_unsafe' &&
    error.failure.verdict === 'fail'
  )
}
