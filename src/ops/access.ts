import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { parse } from 'node:querystring'
import { z } from 'zod'
import { Refusal } from './refusal.ts'

/** Who may ask: whoever has OPS_TOKEN, as a bearer token or by a cookie that was given for it. */
export interface Access {
  /** False when nobody is asked for a token: on loopback without OPS_TOKEN. */
  readonly needed: boolean
  /** How the request proves it; null when it does not. */
  proofOf(header: (name: string) => string | null): 'bearer' | 'cookie' | null
  /** A `Set-Cookie` for that token. Throws a Refusal for a wrong one. */
  logIn(token: string, overTls: boolean): string
  /** The session of that request ends now; answers the `Set-Cookie` that removes it. */
  logOut(header: (name: string) => string | null): string
}

const COOKIE = 'mediaferry_ops'
/** A working day. */
const SESSION_MS = 12 * 3_600_000

/**
 * A session is its end and an HMAC over it, keyed with OPS_TOKEN: it outlives a restart, is good for each of several
 * daemons with one token, and ends for all when the token is changed.
 */
export function createAccess(token: string | undefined, now = () => Date.now()): Access {
  const secret = token ?? ''
  const ended = new Map<string, number>()

  const sealed = (end: string): string =>
    createHmac('sha256', secret).update(`mediaferry session until ${end}`).digest('base64url')

  function isSession(session: string): boolean {
    const [end = '', seal = '', ...more] = session.split('.')
    // One spelling each: what a logout has ended would otherwise go on under another.
    return more.length === 0 && same(seal, sealed(end)) && Number(end) > now() && !ended.has(session)
  }

  return {
    needed: token !== undefined,
    proofOf: header => {
      if (token === undefined) return null
      const bearer = /^Bearer ([^\s]+)$/i.exec(header('authorization') ?? '')?.[1]
      if (bearer !== undefined) return same(bearer, token) ? 'bearer' : null
      return isSession(cookieOf(header)) ? 'cookie' : null
    },
    logIn: (given, overTls) => {
      if (token !== undefined && !same(given, token)) {
        throw new Refusal(401, 'That is not the token.', 'It is what OPS_TOKEN of this daemon says.')
      }
      const end = String(now() + SESSION_MS)
      return cookie(`${end}.${sealed(end)}`, SESSION_MS / 1000, overTls)
    },
    logOut: header => {
      const session = cookieOf(header)
      for (const [old, end] of ended) if (end <= now()) ended.delete(old)
      if (isSession(session)) ended.set(session, Number(session.split('.')[0]))
      return cookie('', 0, false)
    },
  }
}

const cookie = (value: string, seconds: number, overTls: boolean): string =>
  `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${overTls ? '; Secure' : ''}`

const cookieOf = (header: (name: string) => string | null): string =>
  new RegExp(`(?:^|;\\s*)${COOKIE}=([^;]*)`).exec(header('cookie') ?? '')?.[1] ?? ''

/** Digests have one length, so that neither the content nor the length of the right one shows in the time. */
const same = (given: string, right: string): boolean =>
  timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(right).digest())

const loginBody = z.object({ token: z.string().max(4096) })

/** The token of a login, from JSON or from a form. */
export function tokenIn(contentType: string, body: string): string {
  const read = loginBody.safeParse(contentType === FORM ? parse(body) : jsonIn(body))
  if (read.success) return read.data.token
  throw new Refusal(
    400,
    'The body holds no token.',
    'Send {"token": "…"} as JSON, or a form with the field token.',
  )
}

export const FORM = 'application/x-www-form-urlencoded'

/** Throws a Refusal for what is no JSON. */
export function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw new Refusal(400, 'The body is no JSON.', 'GET /api/openapi.json says what is expected.')
  }
}
