import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extractBatch } from '../../../../supabase/functions/whatsapp-webhook/extract.ts'
import { createIngest, IngestError } from '../../../../supabase/functions/whatsapp-webhook/ingest.ts'
import { startDataApiStub } from '../data-api-stub.ts'
import { bytesOf, imageMessage, messagesValue, webhook } from './samples.ts'

const BATCH = extractBatch(
  bytesOf(webhook(messagesValue([imageMessage({ id: 'a' }), imageMessage({ id: 'b' })]))),
  {
    bucket: 'attachments',
    maxAttempts: 5,
    now: 0,
  },
)

test('the answer is counted, and every failure is an error with a code and no message', async t => {
  const api = await startDataApiStub()
  t.after(api.stop)
  const settings = { supabaseUrl: api.url, supabaseKey: 'key' }
  const ingest = createIngest(settings)
  const impatient = createIngest(settings, 50)

  assert.deepEqual(await ingest(BATCH), { new: 2, duplicate: 0, rejected: 0 })
  const failures = [
    ['error', 'PGRST000', 503],
    ['nonsense', 'unexpected_answer', 200],
    ['hang-up', 'no_answer', 0],
    ['silence', 'no_answer', 0],
  ] as const
  for (const [behaviour, code, status] of failures) {
    api.behaviour = behaviour
    api.calls.length = 0
    await assert.rejects((behaviour === 'silence' ? impatient : ingest)(BATCH), error => {
      assert.ok(error instanceof IngestError)
      assert.deepEqual([error.code, error.status], [code, status], behaviour)
      assert.doesNotMatch(error.message, /secret detail/)
      return true
    })
    assert.equal(api.calls.length, 1, behaviour)
  }
})
