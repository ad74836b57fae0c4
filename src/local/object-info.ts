import type { IncomingMessage } from 'node:http'
import { request } from 'undici'
import { z } from 'zod'
import { credentials, type SigningAnswer } from './signing.ts'

const stored = z.looseObject({
  id: z.string(),
  name: z.string(),
  version: z.string().nullish(),
  metadata: z.looseObject({ size: z.number(), mimetype: z.string(), eTag: z.string() }),
  created_at: z.string(),
})

/**
 * `GET /storage/v1/object/info/<bucket>/<key>` as the hosted Storage answers it: size and type beside the name, where
 * @supabase/lite 0.10.0 answers its table's row with them inside of `metadata`. Rejects when the server cannot be
 * reached.
 */
export async function objectInfo(api: string, incoming: IncomingMessage): Promise<SigningAnswer> {
  const response = await request(api + incoming.url, { headers: credentials(incoming) })
  const body = await response.body.json()
  const row = stored.safeParse(body)
  if (!row.success) return { status: response.statusCode, body }
  const { id, name, version, created_at, metadata } = row.data
  const { size, mimetype: content_type, eTag: etag } = metadata
  return { status: 200, body: { id, name, version, size, content_type, etag, created_at, metadata: {} } }
}
