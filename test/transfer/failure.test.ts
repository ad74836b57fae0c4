import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { errors } from 'undici'
import { reasonFor } from '../../src/reasons.ts'
import { failureOf, noAnswer, tooSlow } from '../../src/transfer/failure.ts'
import { TransferError } from '../../src/transfer/transfer-error.ts'

test("no answer is nobody's fault yet", () => {
  const cases: [Error, string][] = [
    [new errors.ConnectTimeoutError('Connect Timeout Error'), 'timeout'],
    [new errors.HeadersTimeoutError(), 'timeout'],
    [new errors.BodyTimeoutError(), 'timeout'],
    [Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }), 'timeout'],
    [Object.assign(new Error('getaddrinfo ENOTFOUND x'), { code: 'ENOTFOUND' }), 'unreachable'],
    [Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }), 'unreachable'],
    [Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), 'unreachable'],
    [new errors.SocketError('other side closed'), 'unreachable'],
    [Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' }), 'unreachable'],
    [Object.assign(new Error('Parse Error'), { code: 'HPE_INVALID_CONSTANT' }), 'unreachable'],
  ]
  for (const [error, kind] of cases) {
    for (const dependency of ['whatsapp', 'storage'] as const) {
      const { failure } = noAnswer(dependency, error)
      assert.equal(failure.code, `${dependency}_${kind}`, error.message)
      assert.equal(failure.verdict, 'unattributed')
      assert.ok(reasonFor(failure.code))
    }
  }
  assert.equal(tooSlow('storage', 1000).failure.code, 'storage_timeout')
})

test('a failure keeps what it says, an abort counts nothing, a fault of ours is named so', () => {
  const own = tooSlow('whatsapp', 5000)
  assert.equal(failureOf(own), own.failure)
  assert.equal(noAnswer('storage', own), own, 'what is known is not covered up')
  const aborted = failureOf(new DOMException('This operation was aborted', 'AbortError'))
  assert.equal(aborted.verdict === 'interrupted' && aborted.dependency, null)
  assert.deepEqual(failureOf(new TypeError('x is not a function')), {
    verdict: 'retry',
    code: 'internal',
    message: 'x is not a function',
  })
})

test('anything thrown gives a failure that is fit for a row', () => {
  fc.assert(
    fc.property(fc.anything(), fc.string({ unit: 'binary', maxLength: 800 }), (value, text) => {
      const thrown = [
        value,
        new Error(`https://lookaside.fbsbx.com/?sig=1 ${text}`),
        new Error('x', { cause: value }),
      ]
      for (const error of thrown) {
        for (const failure of [failureOf(error), noAnswer('whatsapp', error).failure]) {
          assert.ok(reasonFor(failure.code))
          assert.ok(failure.message.isWellFormed() && !failure.message.includes('\0'))
          assert.ok(Array.from(failure.message).length <= 500 && !failure.message.includes('sig=1'))
        }
      }
    }),
    { numRuns: 400 },
  )
})

test('the evidence of an error is bounded and free of secrets', () => {
  const failure = { verdict: 'fail', code: 'internal', message: '' } as const
  const { evidence } = new TransferError(failure, { evidence: `Bearer abc123 \ud800${'x'.repeat(5000)}` })
  assert.ok(evidence?.startsWith('Bearer [secret] \ufffdxxx'))
  assert.equal(evidence?.length, 2000)
})
