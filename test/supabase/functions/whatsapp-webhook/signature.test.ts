import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { signBody } from '../../../../supabase/functions/whatsapp-webhook/sign.ts'
import {
  createVerify,
  readSignature,
  sameText,
} from '../../../../supabase/functions/whatsapp-webhook/signature.ts'
import { bytesOf } from './samples.ts'

const nodeSignature = (secret: string, body: Uint8Array) =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

async function accepts(secrets: readonly string[], header: string | null, body: Uint8Array<ArrayBuffer>) {
  const signature = readSignature(header)
  return signature !== null && (await createVerify(secrets)(signature, body))
}

test('a signature is what any other HMAC-SHA256 says, and is accepted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ minLength: 1, unit: 'grapheme' }),
      fc.uint8Array({ maxLength: 300 }),
      async (secret, bytes) => {
        const body = Uint8Array.from(bytes)
        const header = await signBody(secret, body)
        assert.equal(header, nodeSignature(secret, body))
        assert.ok(await accepts([secret], header, body))
      },
    ),
  )
})

test('one changed byte, another secret or a cut body is refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 99 }), fc.nat(), async (bytes, at) => {
      const body = Uint8Array.from(bytes)
      const header = await signBody('secret', body)
      const changed = body.map((byte, index) => (index === at % body.length ? byte ^ 1 : byte))
      assert.ok(!(await accepts(['secret'], header, changed)))
      assert.ok(!(await accepts(['secret'], header, body.slice(1))))
      assert.ok(!(await accepts(['Secret', 'secret '], header, body)))
    }),
  )
})

test('each of several secrets is good, whichever place it has', async () => {
  const body = bytesOf('{}')
  for (const secret of ['old', 'new', 'next']) {
    assert.ok(await accepts(['old', 'new', 'next'], nodeSignature(secret, body), body))
  }
  assert.ok(!(await accepts(['old', 'new'], nodeSignature('next', body), body)))
  assert.ok(!(await accepts([], nodeSignature('next', body), body)))
})

test("only Meta's form of the header counts", () => {
  const hex = 'ab'.repeat(32)
  assert.deepEqual(readSignature(`sha256=${hex}`), new Uint8Array(32).fill(0xab))
  const wrong = [hex, `sha1=${hex}`, `SHA256=${hex}`, `sha256=${hex.toUpperCase()}`, `sha256=${hex}0`]
  for (const header of [
    null,
    '',
    'sha256=',
    ...wrong,
    `sha256=${hex.slice(1)}`,
    `sha256= ${hex}`,
    `sha256=${hex}\n`,
  ]) {
    assert.equal(readSignature(header), null, String(header))
  }
})

test('texts are the same only when they are', async () => {
  assert.ok(await sameText('token', 'token'))
  assert.ok(await sameText('', ''))
  for (const other of ['', 'toke', 'tokens', 'Token', 'token\0']) assert.ok(!(await sameText('token', other)))
})
