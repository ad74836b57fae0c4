import type { IncomingMessage } from 'node:http'
import { request } from 'undici'
import { z } from 'zod'

/** What the hosted Storage answers for an object that is not there, when many are signed at once. */
const NOT_THERE = 'Either the object does not exist or you do not have access to it'

export interface SigningAnswer {
  readonly status: number
  readonly body: unknown
}

type Ask = (path: string, body: string | Buffer) => Promise<SigningAnswer>

const manyWanted = z.object({ expiresIn: z.number(), paths: z.array(z.string()) })
const signed = z.object({ signedUrl: z.string() })
/** The status on the wire is 400. */
const missing = z.object({ statusCode: z.literal('404') })

/**
 * `POST /storage/v1/object/sign/<bucket>[/<key>]` as the hosted Storage answers it. Two things of @supabase/lite
 * 0.10.0 are mended here: it answers `{"signedUrl":"/storage/v1/object/sign/…"}` where storage-js reads
 * `{"signedURL":"/object/sign/…"}`, and it takes the request for many keys as one for the key ''. Rejects when
 * the server cannot be reached.
 */
export async function sign(api: string, incoming: IncomingMessage): Promise<SigningAnswer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const [path = '', query] = (incoming.url ?? '').split('?', 2)
  const ask: Ask = async (to, text) => {
    const response = await request(`${api}${to}${query === undefined ? '' : `?${query}`}`, {
      method: 'POST',
      headers: { ...credentials(incoming), 'content-type': 'application/json' },
      body: text,
    })
    return { status: response.statusCode, body: await response.body.json() }
  }
  const many = /\/object\/sign\/[^/]+\/?$/.test(path) ? manyWanted.safeParse(jsonOf(body)) : undefined
  return many?.success === true ? signMany(ask, path, many.data) : translate(await ask(path, body))
}

async function signMany(ask: Ask, path: string, wanted: z.infer<typeof manyWanted>): Promise<SigningAnswer> {
  const body = JSON.stringify({ expiresIn: wanted.expiresIn })
  const answers: object[] = []
  for (const key of wanted.paths) {
    const one = await ask(
      `${path.replace(/\/$/, '')}/${key.split('/').map(encodeURIComponent).join('/')}`,
      body,
    )
    const found = signed.safeParse(one.body)
    // Anything else is refused for all alike, such as a wrong key.
    if (!found.success && !missing.safeParse(one.body).success) return one
    answers.push({
      error: found.success ? null : NOT_THERE,
      path: key,
      signedURL: found.success ? relative(found.data.signedUrl) : null,
    })
  }
  return { status: 200, body: answers }
}

function translate(answer: SigningAnswer): SigningAnswer {
  const found = signed.safeParse(answer.body)
  return found.success ? { ...answer, body: { signedURL: relative(found.data.signedUrl) } } : answer
}

const relative = (url: string): string => url.replace(/^\/storage\/v1/, '')

export function credentials({ headers }: IncomingMessage): Record<string, string> {
  const { apikey, authorization } = headers
  return {
    ...(typeof apikey === 'string' ? { apikey } : {}),
    ...(authorization === undefined ? {} : { authorization }),
  }
}

export function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
