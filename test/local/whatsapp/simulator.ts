import type { TestContext } from 'node:test'
import { Agent, request } from 'undici'
import { z } from 'zod'
import { fromPieces, type MediaSource } from '../../../src/local/samples/source.ts'
import { startWhatsApp, type WhatsAppOptions } from '../../../src/local/whatsapp/index.ts'

export const TOKEN = 'EAAtesttoken'

export const mediaAnswer = z.object({
  messaging_product: z.literal('whatsapp'),
  url: z.url(),
  mime_type: z.string(),
  sha256: z.string(),
  file_size: z.union([z.number(), z.string()]),
  id: z.string(),
})

export const errorAnswer = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.string(),
    code: z.number(),
    error_subcode: z.number().optional(),
    is_transient: z.boolean().optional(),
    error_data: z.strictObject({ messaging_product: z.literal('whatsapp'), details: z.string() }).optional(),
    fbtrace_id: z.string(),
  }),
})

interface AskOptions {
  token?: string | null
  userAgent?: string | null
  signal?: AbortSignal
}

/** A simulator and a client with connections of its own, both gone when the test is over. */
export async function simulatorFor(t: TestContext, options: Partial<WhatsAppOptions> = {}) {
  const simulator = await startWhatsApp({ accessToken: TOKEN, appSecret: 'secret', ...options })
  const dispatcher = new Agent()
  t.after(async () => {
    await dispatcher.destroy()
    await simulator.stop()
  })

  const ask = (url: string, { token = TOKEN, userAgent = 'mediaferry-test', signal }: AskOptions = {}) =>
    request(url, {
      reset: true,
      dispatcher,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(userAgent === null ? {} : { 'user-agent': userAgent }),
      },
      ...(signal === undefined ? {} : { signal }),
    })

  const graph = (path: string, asking?: AskOptions) => ask(`${simulator.graphUrl}/v25.0/${path}`, asking)

  const resolve = async (id: string) => {
    const answer = await graph(id)
    return mediaAnswer.parse(await answer.body.json())
  }

  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    request(`${simulator.graphUrl}/_simulator/${path}`, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })

  return {
    simulator,
    dispatcher,
    ask,
    graph,
    resolve,
    post,
    addText: (text: string) => simulator.media.add({ source: textSource(text), mimeType: 'text/plain' }),
    /** Resolves the id and downloads from the link. */
    download: async (id: string, asking?: AskOptions) => ask((await resolve(id)).url, asking),
  }
}

export function textSource(text: string): MediaSource {
  return fromPieces([Buffer.from(text)])
}

/** What arrived of a body, and whether it came to its proper end. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<{ bytes: Buffer; ended: boolean }> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of body) chunks.push(chunk)
  } catch {
    return { bytes: Buffer.concat(chunks), ended: false }
  }
  return { bytes: Buffer.concat(chunks), ended: true }
}
