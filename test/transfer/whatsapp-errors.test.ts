import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { reasonFor } from '../../src/reasons.ts'
import { downloadFailure, graphFailure, probeFailure } from '../../src/transfer/whatsapp-errors.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')

const answer = (status: number, body: unknown, headers = {}) => ({
  status,
  headers,
  text: typeof body === 'string' ? body : JSON.stringify(body),
})
const graph = (code: number, more = {}, status = 400, headers = {}) =>
  graphFailure(
    answer(status, { error: { message: 'said so', type: 'OAuthException', code, ...more } }, headers),
    NOW,
  ).failure

test('the code in the body decides, whatever the HTTP status', () => {
  const classes: [codes: number[], verdict: string, code: string, otherwise?: string][] = [
    [[190, 0, 3, 10, 102, 104, 200, 210, 299], 'interrupted', 'token_rejected'],
    [[33, 368, 131031], 'interrupted', 'account'],
    [[4, 17, 32, 613, 80007, 130429, 131056], 'interrupted', 'rate_limited'],
    [[1, 2, 131000, 131016, 131057], 'unattributed', 'whatsapp_unavailable', 'retry'],
    [[131051], 'fail', 'media_unsupported'],
    [[131052], 'fail', 'too_large'],
    [[131060], 'fail', 'media_unavailable'],
    [[100, 300, 199, 2500, 999999], 'unattributed', 'whatsapp_unknown', 'retry'],
  ]
  for (const [codes, verdict, code, otherwise] of classes) {
    for (const number of codes) {
      for (const status of [200, 400, 401, 429, 500]) {
        const failure = graph(number, {}, status)
        assert.equal(failure.verdict, verdict, String(number))
        assert.equal(failure.code, code, String(number))
        if (failure.verdict === 'unattributed') assert.equal(failure.otherwise, otherwise)
        if (failure.verdict === 'interrupted') assert.equal(failure.dependency, 'whatsapp')
        assert.ok(reasonFor(code), `${code} is explained`)
      }
    }
  }
})

test('gone is 100 with subcode 33 alone, and the probe decides between the item and the token', () => {
  const gone = graph(100, { error_subcode: 33 })
  assert.equal(gone.code, 'media_gone')
  assert.equal(gone.verdict === 'unattributed' && gone.otherwise, 'fail')
  assert.equal(graph(100, { error_subcode: 34 }).code, 'whatsapp_unknown')
  assert.equal(graph(100, { error_subcode: '33' }).code, 'media_gone', 'numbers may come as text')
})

test('an unknown code is temporary when Meta says so', () => {
  assert.equal(graph(777, { is_transient: true }).code, 'whatsapp_unavailable')
})

test('without a body that says why, the HTTP status decides', () => {
  const byStatus = (status: number, headers = {}) =>
    graphFailure(answer(status, '<html>', headers), NOW).failure
  assert.equal(byStatus(429).code, 'rate_limited')
  assert.equal(byStatus(500).code, 'whatsapp_unavailable')
  assert.equal(byStatus(503).verdict, 'unattributed')
  for (const status of [400, 401, 403, 404]) assert.equal(byStatus(status).code, 'whatsapp_unknown')
})

test('waits are taken as told', () => {
  const after = (code: number, headers: object) => {
    const failure = graph(code, {}, 400, headers)
    return 'retryAfterMs' in failure ? failure.retryAfterMs : undefined
  }
  assert.equal(after(4, { 'retry-after': '17' }), 17_000)
  assert.equal(after(2, { 'retry-after': 'Sun, 22 Nov 2026 12:00:05 GMT' }), 5000)
  assert.equal(after(4, {}), undefined)
  const usage = JSON.stringify({ 1: [{ call_count: 100, estimated_time_to_regain_access: 3 }] })
  assert.equal(after(80007, { 'x-business-use-case-usage': usage }), 180_000)
})

test('what nobody knows is kept whole for the log, without secrets', () => {
  const body = { error: { message: 'new', code: 424242, extra: 'https://x.fbsbx.com/?sig=1 Bearer abc.def' } }
  const { evidence, failure } = graphFailure(answer(400, body), NOW)
  assert.match(evidence ?? '', /424242/)
  assert.doesNotMatch(evidence ?? '', /sig=1|abc\.def/)
  assert.match(failure.message, /424242/)
  assert.equal(graphFailure(answer(400, { error: { code: 190 } }), NOW).evidence, undefined)
})

test('a refused download asks for a fresh address, unless its answer says more', () => {
  const code = (status: number, body: unknown = '<html>') =>
    downloadFailure(answer(status, body), NOW).failure.code
  for (const status of [400, 401, 403, 404, 410, 206, 302]) assert.equal(code(status), 'download_refused')
  assert.equal(
    code(404, { error: { code: 100, error_subcode: 33 } }),
    'download_refused',
    'an old address, most likely',
  )
  assert.equal(code(401, { error: { code: 190 } }), 'token_rejected')
  assert.equal(code(429), 'rate_limited')
  assert.equal(code(500), 'whatsapp_unavailable')
  const { failure } = downloadFailure(answer(404, ''), NOW)
  assert.equal(failure.verdict === 'unattributed' && failure.otherwise, 'retry')
})

test("nothing that the probe meets is an attachment's own fault", () => {
  const probed = (body: object) => probeFailure(graphFailure(answer(400, { error: body }), NOW)).failure
  assert.deepEqual(
    [
      probed({ code: 100, error_subcode: 33 }),
      probed({ code: 2 }),
      probed({ code: 190 }),
      probed({ code: 131052 }),
    ].map(failure => [failure.verdict, failure.code]),
    [
      ['interrupted', 'phone_number_unreadable'],
      ['interrupted', 'whatsapp_unavailable'],
      ['interrupted', 'token_rejected'],
      ['interrupted', 'too_large'],
    ],
  )
})

test('any answer gives a failure that is fit for a row', () => {
  const json = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary', maxLength: 2000 }),
    fc
      .record({
        error: fc.record(
          {
            code: fc.anything(),
            message: fc.anything(),
            error_subcode: fc.anything(),
            error_data: fc.anything(),
          },
          { requiredKeys: [] },
        ),
      })
      .map(value => {
        try {
          return JSON.stringify(value) ?? ''
        } catch {
          return ''
        }
      }),
    fc
      .string({ unit: 'binary', minLength: 400, maxLength: 900 })
      .map(message => JSON.stringify({ error: { code: 1, message: `EAAGm0PX4ZCpsBAOZ ${message}` } })),
  )
  const headers = fc.dictionary(
    fc.constantFrom('retry-after', 'x-app-usage', 'x-business-use-case-usage'),
    fc.oneof(fc.string(), fc.json()),
  )
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 599 }), json, headers, (status, text, sent) => {
      for (const read of [graphFailure, downloadFailure]) {
        const { failure, evidence } = read({ status, headers: sent, text }, NOW)
        assert.ok(reasonFor(failure.code), failure.code)
        for (const told of [failure.message, evidence ?? '']) {
          assert.ok(told.isWellFormed() && !told.includes('\0') && !told.includes('EAAGm0PX4ZCpsBAOZ'))
        }
        assert.ok(Array.from(failure.message).length <= 500)
        if ('retryAfterMs' in failure)
          assert.ok(failure.retryAfterMs === undefined || failure.retryAfterMs >= 0)
      }
    }),
    { numRuns: 500 },
  )
})
