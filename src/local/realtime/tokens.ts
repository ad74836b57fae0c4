import { createHmac, timingSafeEqual } from 'node:crypto'
import { isObject } from './protocol.ts'

/** What opens the server: the two kinds of API keys, and the secret of JWTs when there are any. */
export interface RealtimeKeys {
  readonly publishable: string
  /** One or several. */
  readonly secret: string | readonly string[]
  /** For HS256 tokens: the older anon and service_role keys, and users' access tokens. */
  readonly jwtSecret?: string
}

/** Whom a key or token stands for. */
export interface Claims {
  readonly role: string
  /** Milliseconds since 1970; API keys do not expire. */
  readonly expires?: number
  /** The token's claims as JSON, for row-level security. */
  readonly json: string
}

/** Why a token is refused; the wording differs between connecting, joining and refreshing. */
export interface Refusal {
  readonly refused: 'malformed' | 'signature' | 'claims' | 'expired'
  /** Since when it has expired, in whole seconds. */
  readonly seconds?: number
}

export function readToken(keys: RealtimeKeys, token: string, now: number): Claims | Refusal {
  if (equal(token, keys.publishable)) return keyClaims('anon')
  const secrets = typeof keys.secret === 'string' ? [keys.secret] : keys.secret
  if (secrets.some(secret => equal(token, secret))) return keyClaims('service_role')
  const [header, body, signature, ...rest] = token.split('.')
  const claims = body === undefined ? undefined : decodeJson(body)
  if (header === undefined || body === undefined || signature === undefined || rest.length > 0 || !claims) {
    return { refused: 'malformed' }
  }
  if (keys.jwtSecret === undefined || !equal(signature, sign(keys.jwtSecret, `${header}.${body}`))) {
    return { refused: 'signature' }
  }
  if (typeof claims.role !== 'string' || typeof claims.exp !== 'number') return { refused: 'claims' }
  const expires = claims.exp * 1000
  if (expires <= now) return { refused: 'expired', seconds: Math.floor((now - expires) / 1000) }
  return { role: claims.role, expires, json: JSON.stringify(claims) }
}

export const isRefusal = (value: Claims | Refusal): value is Refusal => 'refused' in value

const MALFORMED = 'The token provided is not a valid JWT'
const MISSING = 'Fields `role` and `exp` are required in JWT'

/** The body of the HTTP 401 when a connection is refused. */
export function connectRefusal(why: Refusal): string {
  const texts = {
    malformed: MALFORMED,
    signature: 'Failed to validate JWT signature',
    claims: MISSING,
    expired: 'Token has expired',
  }
  return texts[why.refused]
}

/** The reason in the `phx_reply` when a join is refused. */
export function joinRefusal(why: Refusal): string {
  const texts = {
    malformed: `MalformedJWT: ${MALFORMED}`,
    signature: 'JwtSignatureError: Failed to validate JWT signature',
    claims: `InvalidJWTToken: ${MISSING}`,
    expired: `InvalidJWTToken: ${expiredSince(why.seconds ?? 0)}`,
  }
  return texts[why.refused]
}

/** The message of the `system` frame when a joined channel gets a bad token. */
export function refreshRefusal(why: Refusal): string {
  const texts = {
    malformed: MALFORMED,
    signature: ':signature_error',
    claims: MISSING,
    expired: expiredSince(why.seconds ?? 0),
  }
  return texts[why.refused]
}

export const expiredSince = (seconds: number): string => `Token has expired ${seconds} seconds ago`

function keyClaims(role: string): Claims {
  return { role, json: JSON.stringify({ role }) }
}

function decodeJson(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function sign(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url')
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
