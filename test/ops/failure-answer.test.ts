import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain, failureAnswer } from '../../src/ops/failure-answer.ts'

test('a retry is offered for what another try can mend, and for nothing else', () => {
  const isRetryable = (code: string) => failureAnswer(code, 1).retryable
  for (const code of ['integrity', 'too_large', 'worker_lost', 'token_rejected', 'a_later_code']) {
    assert.equal(isRetryable(code), true, code)
  }
  for (const code of [
    'forgotten',
    'media_id_missing',
    'media_id_invalid',
    'media_unsupported',
    'media_gone',
    'media_expired',
  ]) {
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

test('the advice knows whether the row has ended', () => {
  assert.equal(explain('integrity').advice, 'Ask the sender to send the file again.')
  assert.match(explain('media_gone').advice, /Only if the token lacked a permission/)
  const pending = (upload_attempts: number) => ({ upload_status: 'PENDING', upload_attempts }) as const
  assert.equal(
    explain('integrity', pending(1)).advice,
    'It is tried again by itself. Should it end FAILED: Ask the sender to send the file again.',
  )
  assert.match(explain('token_rejected', pending(0)).advice, /^It is tried again by itself\. Create a new/)
  assert.equal(explain('131051').title, 'Media unsupported')
})

test('a code that nobody knows is told by its own name', () => {
  const { title, explanation, advice } = explain('a_later_code')
  assert.equal(title, 'A later code')
  assert.match(explanation, /the row has its text/)
  assert.match(advice, /Cloud API/)
})
