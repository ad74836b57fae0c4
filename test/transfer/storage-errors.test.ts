import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { reasonFor } from '../../src/reasons.ts'
import {
  alreadyExists,
  isMissing,
  storageAnswer,
  storageFailure,
  storageProbeFailure,
} from '../../src/transfer/storage-errors.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
type Body = Record<string, unknown> | string

const read = (status: number, body: Body, headers = {}) =>
  storageFailure({ status, headers, text: typeof body === 'string' ? body : JSON.stringify(body) }, NOW)

/** As supabase/storage 1.11.2 answers them. */
const ANSWERS: [status: number, body: Body, verdict: string, code: string][] = [
  [
    400,
    {
      statusCode: '413',
      error: 'Payload too large',
      message: 'The object exceeded the maximum allowed size',
      code: 'EntityTooLarge',
    },
    'fail',
    'storage_size_limit',
  ],
  [
    400,
    {
      statusCode: '415',
      error: 'invalid_mime_type',
      message: 'mime type image/heic is not supported',
      code: 'InvalidMimeType',
    },
    'fail',
    'storage_type_refused',
  ],
  [
    400,
    { statusCode: '404', error: 'Bucket not found', message: 'Bucket not found', code: 'NoSuchBucket' },
    'interrupted',
    'bucket_missing',
  ],
  [
    400,
    { statusCode: '403', error: 'Unauthorized', message: 'invalid signature', code: 'AccessDenied' },
    'interrupted',
    'credentials',
  ],
  [
    400,
    { statusCode: '403', error: 'Unauthorized', message: 'new row violates row-level security policy' },
    'interrupted',
    'permission',
  ],
  [
    400,
    {
      statusCode: '403',
      error: 'Unauthorized',
      message: 'new row violates row-level security policy',
      code: 'AccessDenied',
    },
    'interrupted',
    'permission',
  ],
  [
    400,
    { statusCode: '400', error: 'InvalidKey', message: 'Invalid key: a#b', code: 'InvalidKey' },
    'fail',
    'storage_key_refused',
  ],
  [
    500,
    { statusCode: '500', error: 'Internal', message: 'Internal Server Error', code: 'InternalError' },
    'unattributed',
    'storage_unavailable',
  ],
  [
    544,
    { statusCode: '544', message: 'The connection to the database timed out', code: 'DatabaseTimeout' },
    'interrupted',
    'storage_database',
  ],
  [
    500,
    { statusCode: '500', message: 'remaining connection slots are reserved', code: 'DatabaseError' },
    'unattributed',
    'storage_unavailable',
  ],
  [
    400,
    {
      statusCode: '503',
      message: 'cannot execute INSERT in a read-only transaction',
      code: 'DatabaseReadOnly',
    },
    'interrupted',
    'storage_read_only',
  ],
  [
    500,
    { statusCode: '500', message: 'ENOSPC: no space left on device, write', code: 'InternalError' },
    'interrupted',
    'storage_disk_full',
  ],
  [
    429,
    { statusCode: '429', message: 'Too many requests', code: 'SlowDown' },
    'interrupted',
    'storage_rate_limited',
  ],
  [
    400,
    { statusCode: '423', message: 'The resource is locked', code: 'ResourceLocked' },
    'unattributed',
    'storage_locked',
  ],
  [
    400,
    { statusCode: '503', message: 'acquiring lock timeout', code: 'LockTimeout' },
    'unattributed',
    'storage_locked',
  ],
  [
    400,
    {
      statusCode: '409',
      error: 'Duplicate',
      message: 'The resource already exists',
      code: 'KeyAlreadyExists',
    },
    'retry',
    'storage_key_taken',
  ],
  [402, { message: 'Payment required' }, 'interrupted', 'quota'],
  [413, { message: 'Storage quota of this project exceeded' }, 'interrupted', 'quota'],
  [413, '<html>413 Request Entity Too Large</html>', 'fail', 'storage_size_limit'],
  [401, { message: 'Invalid API key' }, 'interrupted', 'credentials'],
  [404, { statusCode: 404, message: 'Bucket not found' }, 'interrupted', 'bucket_missing'],
  [502, '<html>Bad gateway</html>', 'unattributed', 'storage_unavailable'],
  [418, { message: 'new', code: 'Teapot' }, 'unattributed', 'storage_unknown'],
  [404, { message: 'no Route matched with those values' }, 'unattributed', 'storage_unknown'],
]

for (const [status, body, verdict, code] of ANSWERS) {
  const name = typeof body === 'string' ? body : `${body.code ?? ''} ${body.message}`
  test(`${status} ${name} is ${verdict} ${code}`, () => {
    const { failure } = read(status, body)
    assert.equal(failure.verdict, verdict)
    assert.equal(failure.code, code)
    if (failure.verdict === 'interrupted' || failure.verdict === 'unattributed') {
      assert.equal(failure.dependency, 'storage')
    }
    assert.ok(reasonFor(code), 'it is explained')
    const probed = storageProbeFailure(read(status, body)).failure
    assert.equal(probed.verdict, 'interrupted')
    assert.equal(probed.code, code)
  })
}

test("the free plan's limit is named", () => {
  const { failure } = read(400, {
    statusCode: '413',
    code: 'EntityTooLarge',
    message: 'The object exceeded the maximum allowed size',
  })
  assert.match(failure.message, /free plan caps a file at 50 MB/)
})

test('Retry-After is taken along', () => {
  const { failure } = read(429, { code: 'SlowDown' }, { 'retry-after': '9' })
  assert.equal(failure.verdict === 'interrupted' && failure.retryAfterMs, 9000)
})

test('what nobody knows is kept whole for the log', () => {
  assert.match(read(418, { code: 'Teapot', deep: { down: 'here' } }).evidence ?? '', /deep.*here/)
})

test('missing objects and taken keys', () => {
  const answer = (status: number, body: object) =>
    storageAnswer({ status, headers: {}, text: JSON.stringify(body) })
  assert.ok(
    isMissing(
      answer(400, { statusCode: '404', error: 'not_found', message: 'Object not found', code: 'NoSuchKey' }),
    ),
  )
  assert.ok(isMissing(answer(404, { statusCode: 404, error: 'not_found', message: 'Object not found' })))
  assert.ok(!isMissing(answer(400, { statusCode: '404', message: 'Bucket not found', code: 'NoSuchBucket' })))
  assert.ok(
    !isMissing(answer(404, { message: 'no Route matched with those values' })),
    'a wrong address is no absent object',
  )
  assert.ok(alreadyExists(answer(400, { statusCode: '409', code: 'KeyAlreadyExists' })))
  assert.ok(alreadyExists(answer(409, {})))
  assert.ok(!alreadyExists(answer(400, { statusCode: '403', code: 'AccessDenied' })))
})

test('any answer gives a failure that is fit for a row', () => {
  const body = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary', maxLength: 1500 }),
    fc
      .record({
        code: fc.anything(),
        statusCode: fc.anything(),
        message: fc.string({ unit: 'binary', maxLength: 900 }),
      })
      .map(value => {
        try {
          return JSON.stringify({ ...value, message: `sb_secret_abcdefgh ${value.message}` })
        } catch {
          return '{}'
        }
      }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 201, max: 599 }), body, (status, text) => {
      const { failure } = storageFailure({ status, headers: {}, text }, NOW)
      assert.ok(reasonFor(failure.code), failure.code)
      assert.ok(failure.message.isWellFormed() && !failure.message.includes('\0'))
      assert.ok(Array.from(failure.message).length <= 500 && !failure.message.includes('abcdefgh '))
    }),
    { numRuns: 500 },
  )
})

test('a status code that is no text and no number is none, however odd', () => {
  const text = JSON.stringify({ code: false, statusCode: { toString: [] }, message: 'odd' })
  assert.equal(storageFailure({ status: 503, headers: {}, text }, NOW).failure.code, 'storage_unavailable')
})
