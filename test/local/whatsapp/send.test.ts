import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { sampleOf } from '../../../src/local/samples/index.ts'
import { PHONE_NUMBER_ID } from '../../../src/local/whatsapp/index.ts'
import { messageWith } from '../../../src/local/whatsapp/send.ts'
import { simulatorFor } from './simulator.ts'

async function webhookFor(t: TestContext, status: number) {
  const received: { body: Buffer; signature: string | undefined }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const signature = request.headers['x-hub-signature-256']
    received.push({ body: Buffer.concat(chunks), signature: signature?.toString() })
    response.writeHead(status).end('answered')
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { url: `http://127.0.0.1:${address.port}/`, received }
}

test('samples are delivered in one POST, signed over the bytes sent', async t => {
  const { simulator } = await simulatorFor(t, { appSecret: 'app secret' })
  const webhook = await webhookFor(t, 200)
  const samples = [await sampleOf('document'), await sampleOf('audio')]
  const messages = []
  for (const sample of samples) {
    const kept = await simulator.media.add(sample)
    messages.push(messageWith(sample, kept, { from: '4915112345678', profileName: 'Ada' }, 1_800_000_000_999))
  }
  const answer = await simulator.send({ url: webhook.url, phoneNumberId: PHONE_NUMBER_ID, messages })
  assert.deepEqual(answer, { status: 200, text: 'answered' })

  const [delivery] = webhook.received
  assert.ok(delivery !== undefined && webhook.received.length === 1)
  const hmac = createHmac('sha256', 'app secret').update(delivery.body).digest('hex')
  assert.equal(delivery.signature, `sha256=${hmac}`)
  const [pdf, voice] = simulator.media.list()
  assert.ok(pdf !== undefined && voice !== undefined)
  const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64')
  assert.partialDeepStrictEqual(JSON.parse(String(delivery.body)), {
    object: 'whatsapp_business_account',
    entry: [
      {
        changes: [
          {
            field: 'messages',
            value: {
              metadata: { phone_number_id: PHONE_NUMBER_ID },
              messages: [
                {
                  from: '4915112345678',
                  timestamp: '1800000000',
                  type: 'document',
                  document: {
                    id: pdf.id,
                    sha256: base64(pdf.sha256),
                    mime_type: 'application/pdf',
                    filename: samples[0]?.fileName,
                    caption: samples[0]?.caption,
                  },
                },
                { type: 'audio', audio: { id: voice.id, sha256: base64(voice.sha256), voice: true } },
              ],
            },
          },
        ],
      },
    ],
  })
})

test('the answer of a webhook that fails is told, not thrown', async t => {
  const { simulator } = await simulatorFor(t)
  const webhook = await webhookFor(t, 500)
  const answer = await simulator.send({ url: webhook.url, phoneNumberId: '1', messages: [] })
  assert.deepEqual(answer, { status: 500, text: 'answered' })
})
