import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Inspector } from '../../src/transfer/inspect.ts'
import { TransferError } from '../../src/transfer/transfer-error.ts'
import { sha256 } from './servers.ts'

const fail = (code: string, message: string) => new TransferError({ verdict: 'retry', code, message })

/** Sends the chunks through and returns what came out, and the error if there was one. */
async function through(
  chunks: Buffer[],
  expected: { sha256?: string; size?: number },
  maxFileSize = 1_000_000,
) {
  const inspector = new Inspector({
    expected: { sha256: expected.sha256 ?? null, size: expected.size ?? null, mimeType: null },
    maxFileSize,
    tooLarge: () => fail('too_large', 'large'),
    wrong: why => fail('integrity', why),
  })
  const out: Buffer[] = []
  let error: unknown
  const reading = (async () => {
    for await (const chunk of inspector) out.push(chunk)
  })().catch(thrown => {
    error = thrown
  })
  for (const chunk of chunks) inspector.write(chunk)
  inspector.end()
  await reading
  return { out: Buffer.concat(out), error, arrived: inspector.arrived }
}

const parts = ['one ', 'two ', 'three'].map(text => Buffer.from(text))
const all = Buffer.concat(parts)

test('right bytes pass unchanged', async () => {
  const { out, error, arrived } = await through(parts, { sha256: sha256(all), size: all.length })
  assert.equal(error, undefined)
  assert.deepEqual(out, all)
  assert.deepEqual(arrived, { size: all.length, sha256: sha256(all) })
})

test('nothing at all passes when nothing was declared', async () => {
  const { out, arrived } = await through([], { size: 0 })
  assert.equal(out.length, 0)
  assert.equal(arrived?.size, 0)
})

test('of wrong bytes the end never passes', async () => {
  for (const expected of [
    { sha256: sha256(Buffer.from('other')) },
    { size: all.length + 1 },
    { size: all.length - 1 },
  ]) {
    const { out, error, arrived } = await through(parts, expected)
    assert.ok(error instanceof TransferError && error.failure.code === 'integrity')
    assert.ok(out.length < all.length, 'the upload stays unfinished')
    assert.equal(arrived, undefined)
  }
})

test('more than was declared stops at once, more than the limit too', async () => {
  const more = await through(parts, { size: 5 })
  assert.match(String(more.error), /More bytes arrived, 5 were declared/)
  const large = await through(parts, {}, 5)
  assert.ok(large.error instanceof TransferError && large.error.failure.code === 'too_large')
})

test('however the bytes are cut, they pass when right and their end is held back when wrong', async () => {
  const chunks = fc.array(
    fc.uint8Array({ minLength: 1, maxLength: 50 }).map(bytes => Buffer.from(bytes)),
    { minLength: 1, maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(chunks, async given => {
      const whole = Buffer.concat(given)
      const right = await through(given, { sha256: sha256(whole), size: whole.length })
      assert.ok(right.out.equals(whole) && right.error === undefined)
      const wrong = await through(given, { sha256: '0'.repeat(64) })
      assert.ok(wrong.error instanceof TransferError && wrong.out.length < whole.length)
    }),
    { numRuns: 100 },
  )
})
