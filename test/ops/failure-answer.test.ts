import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain, failureAnswer } from '../../src/ops/failure-answer.ts'

test('a retry is offered for what another try can mend, and for nothing else', () => {
  const isRetryable = (code: string) => failureAnswer(code, 1).retryable
  for (const code of ['integrity', 'too_large', 'worker_lost', 'token_rejected', 'a_later_code']) {
    assert.equal(isRetryable(code), true, code)
  }
  for (const code of ['forgotten', 'media_id_missing', 'media_id_invalid', 'media_unsupported']) {
    assert.equal(isRetryable(code), false, code)
  }
})

test('the codes with which the webhook writes a row are known by their numbers too', () => {
  for (const code of ['131051', '131060', 'unsupported']) {
    assert.equal(failureAnswer(code, 1).retryable, false, code)
  }
  assert.equal(failureAnswer('131052', 1).retryable, true)
  assert.match(explain('131051').explanation, /131051/)
})

test('a code that nobody knows is told by its own name', () => {
  const { title, explanation, advice } = explain('a_later_code')
  assert.equal(title, 'A later code')
  assert.match(explanation, /the row has its text/)
  assert.match(advice, /Cloud API/)
})
