import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BODY_LIMIT, readBody } from '../../../../supabase/functions/whatsapp-webhook/body.ts'

function request(
  body: Exclude<RequestInit['body'], undefined>,
  headers: Record<string, string> = {},
): Request {
  return new Request('http://x.invalid/', { method: 'POST', body, headers, duplex: 'half' })
}

/** A stream of `chunk` bytes at a time without end, and how many of them were taken from it. */
function endless(chunk: number) {
  const state = { taken: 0, cancelled: false }
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      state.taken += chunk
      controller.enqueue(new Uint8Array(chunk))
    },
    cancel() {
      state.cancelled = true
    },
  })
  return { state, stream }
}

test('the bytes, in order and exactly', async () => {
  const pieces = ['a', '', 'bc', 'd'].map(text => new TextEncoder().encode(text))
  assert.deepEqual(await readBody(request(ReadableStream.from(pieces))), new TextEncoder().encode('abcd'))
  assert.deepEqual(await readBody(request(null)), new Uint8Array())
})

test('exactly the limit is read, one byte more is not', async () => {
  assert.equal((await readBody(request(new Uint8Array(BODY_LIMIT))))?.length, BODY_LIMIT)
  assert.equal(await readBody(request(new Uint8Array(BODY_LIMIT + 1))), null)
})

test('a Content-Length over the limit is refused without reading', async () => {
  const { state, stream } = endless(10)
  assert.equal(await readBody(request(stream, { 'content-length': '11' }), 10), null)
  assert.ok(state.cancelled && state.taken <= 10)
})

test('reading stops at the limit when no length, or a wrong one, is given', async () => {
  for (const headers of [{}, { 'content-length': '5' }, { 'content-length': 'x' }]) {
    const { state, stream } = endless(10)
    assert.equal(await readBody(request(stream, headers), 95), null)
    assert.ok(state.cancelled, 'the stream is left')
    assert.ok(state.taken <= 120, String(state.taken))
  }
})
