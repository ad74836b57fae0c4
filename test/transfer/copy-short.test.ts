import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { collected } from '../../src/transfer/gather.ts'
import type { Http } from '../../src/transfer/http.ts'
import { createTransfer } from '../../src/transfer/index.ts'
import { failsWith } from './scene.ts'
import { claimOf, FAR_AWAY, patient, sha256 } from './servers.ts'

/** What undici hands out when a whole body has come with its headers: all of it is there, and so is its end. */
class ArrivedBody extends Readable {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    super()
    this.#bytes = bytes
  }

  override _read(): void {
    this.push(this.#bytes)
    this.push(null)
  }
}

const http = (request: Http['request']): Http => ({
  request,
  collect: async asked => collected(await request(asked)),
})

const answering = (answer: (path: string) => Buffer): Http =>
  http(async ({ path }) => ({ statusCode: 200, headers: {}, body: new ArrivedBody(answer(path)) }))

test('a short body in place of a large file fails at once, also when it had ended with its first bytes', {
  timeout: 10_000,
}, async t => {
  const whole = Buffer.alloc(600 * 1024, 'x')
  const meta = answering(path =>
    path.startsWith('/media')
      ? whole.subarray(0, 10_000)
      : Buffer.from(
          JSON.stringify({
            url: 'https://graph.facebook.com/media',
            sha256: sha256(whole),
            file_size: whole.length,
          }),
        ),
  )
  const transfer = createTransfer(
    { ...FAR_AWAY, timeouts: { copyMs: 2000 } },
    {
      meta,
      storage: http(async ({ body }) => {
        if (body instanceof Readable) for await (const _chunk of body);
        throw new Error('nothing whole came')
      }),
      close: async () => undefined,
    },
  )
  t.after(() => transfer.close())
  const claim = claimOf()
  const media = await transfer.resolve(claim, patient())
  await assert.rejects(transfer.copy(claim, media, patient()), failsWith('integrity', 'retry'))
})
