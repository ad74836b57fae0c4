import { H3, type H3Event } from 'h3'
import { readBody } from './body.ts'
import { extractBatch } from './extract.ts'
import { type Ingest, IngestError } from './ingest.ts'
import type { LogFields, WriteLog } from './log.ts'
import type { Settings } from './settings.ts'
import { createVerify, readSignature, SIGNATURE_HEADER, sameText } from './signature.ts'

/**
 * The webhook's routes. Every path is the same webhook: the platform has already routed by the function's
 * name, and what is left (`/whatsapp-webhook`, a trailing slash, a local gateway's `/`) says nothing.
 *
 * | request                          | answer                                             |
 * |----------------------------------|----------------------------------------------------|
 * | any, settings missing            | 500                                                |
 * | GET, the handshake               | 200 and the challenge, else 403                    |
 * | POST, signature missing or wrong | 401, nothing stored                                |
 * | POST over 3 MB                   | 413                                                |
 * | POST, committed or nothing to do | 200                                                |
 * | POST, not committed              | 500: WhatsApp delivers again, for up to 7 days     |
 * | other methods                    | 405                                                |
 */
export function createWebhook(settings: Settings | null, ingest: Ingest | null, log: WriteLog): H3 {
  const app = new H3({ silent: true, allowMalformedURL: true })
  if (settings === null || ingest === null) {
    return app.all('/**', () => {
      log('error', 'misconfigured', { fault: 'refused: see the errors at start' })
      return plain(500, 'The webhook is not configured')
    })
  }
  return app
    .get('/**', handshake(settings.verifyToken, log))
    .post('/**', delivery(settings, ingest, log))
    .all('/**', () => plain(405, 'Method not allowed', { allow: 'GET, POST' }))
}

/** Plain text, said so and not to be guessed at: the challenge would be reflected script as HTML. */
function plain(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(text, {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', ...headers },
  })
}

/** Meta, "Webhooks: Verification requests": the raw challenge when the token is ours. */
function handshake(verifyToken: string | null, log: WriteLog) {
  return async (event: H3Event): Promise<Response> => {
    if (verifyToken === null) {
      log('error', 'misconfigured', { fault: 'WHATSAPP_VERIFY_TOKEN is missing' })
      return plain(500, 'The webhook is not configured')
    }
    const query = event.url.searchParams
    const challenge = query.get('hub.challenge')
    const matches = await sameText(verifyToken, query.get('hub.verify_token') ?? '')
    const accepted = matches && query.get('hub.mode') === 'subscribe' && challenge !== null
    log(accepted ? 'info' : 'warn', 'handshake', { accepted })
    return accepted ? plain(200, challenge) : plain(403, 'Forbidden')
  }
}

function delivery(settings: Settings, ingest: Ingest, log: WriteLog) {
  const verify = createVerify(settings.appSecrets)

  return async ({ req }: H3Event): Promise<Response> => {
    const started = performance.now()
    const answer = (response: Response, fields: LogFields = {}) => {
      const level = response.status === 200 ? 'info' : response.status === 500 ? 'error' : 'warn'
      log(level, 'delivery', {
        status: response.status,
        ...fields,
        ms: Math.round(performance.now() - started),
      })
      return response
    }

    try {
      const signature = readSignature(req.headers.get(SIGNATURE_HEADER))
      if (signature === null) {
        await req.body?.cancel()
        return answer(plain(401, 'Signature missing'), { reason: 'signature missing' })
      }
      const body = await readBody(req)
      if (body === null) return answer(plain(413, 'Body too large'), { reason: 'body too large' })
      if (!(await verify(signature, body))) {
        return answer(plain(401, 'Signature wrong'), { reason: 'signature wrong' })
      }

      const batch = extractBatch(body, { ...settings, now: Date.now() })
      const { messages, rejected, ignored } = batch
      const found = { bytes: body.length, messages: messages.length, unreadable: rejected.length, ignored }
      if (messages.length + rejected.length === 0) return answer(plain(200, 'ok'), found)

      const { new: added, duplicate, rejected: refused } = await ingest(batch)
      return answer(plain(200, 'ok'), { ...found, new: added, duplicate, rejected: refused })
    } catch (error) {
      const failure: LogFields =
        error instanceof IngestError
          ? { reason: 'not committed', code: error.code, database_status: error.status }
          : { reason: 'unexpected', code: error instanceof Error ? error.name : 'unknown' }
      return answer(plain(500, 'Not stored'), failure)
    }
  }
}
