import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { isLoopback } from '../settings-fields.ts'
import { Refusal } from './refusal.ts'

/** What the guard reads of a request. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly header: (name: string) => string | null
}

/**
 * Refuses what another site's page could have sent. A browser lets every page reach this machine's addresses, and
 * a name whose address changes to 127.0.0.1 (DNS rebinding) even read the answers: what it cannot forge is the name
 * that stands in Host, the Origin, and Sec-Fetch-Site.
 *
 * @param host OPS_HOST
 */
export function refuseForeign(host: string, { method, path, header }: Asked): void {
  const asked = header('host') ?? ''
  const name = URL.canParse(`http://${asked}`) ? new URL(`http://${asked}`).hostname : ''
  if (!isOwnName(host, name)) {
    const names = isLoopback(host) ? 'localhost or 127.0.0.1' : 'its IP address, or set OPS_HOST to that name'
    throw new Refusal(403, 'This server does not go by that name (Host).', `Ask for it by ${names}.`)
  }
  const origin = header('origin')
  if (origin !== null && !isOrigin(origin, asked)) {
    throw new Refusal(403, 'A page of another site may not ask this server (Origin).', 'Open its own page.')
  }
  const site = header('sec-fetch-site')
  const foreign = site === 'cross-site' || site === 'same-site'
  // A link to the page itself may stand anywhere.
  if (foreign && !(method === 'GET' && path === '/' && header('sec-fetch-mode') === 'navigate')) {
    throw new Refusal(403, 'A page of another site may not ask this server.', 'Open its own page.')
  }
}

function isOwnName(host: string, name: string): boolean {
  if (isLoopback(name)) return true
  if (isLoopback(host) || name === '') return false
  // An IP address cannot be rebound: whoever asked for one meant that very machine.
  const bare = name.replace(/^\[|\]$/g, '')
  return isIP(bare) !== 0 || bare === host.toLowerCase() || bare === hostname().toLowerCase()
}

/** Behind a proxy that ends TLS the origin is https and this server is not told. */
const isOrigin = (origin: string, host: string): boolean =>
  URL.canParse(origin) && /^https?:$/.test(new URL(origin).protocol) && new URL(origin).host === hostOf(host)

const hostOf = (host: string): string => new URL(`http://${host}`).host

/**
 * A request that changes something names its own page, or proves by a bearer token that no page has sent it.
 */
export function needOwnPage({ header }: Asked, bearer: boolean): void {
  if (bearer || header('origin') !== null || header('sec-fetch-site') === 'same-origin') return
  throw new Refusal(
    403,
    'A request that changes something must say which page it comes from (Origin).',
    'Send the header Origin with the address of this server, or OPS_TOKEN as a bearer token.',
  )
}

/** @param supabase the project's address: pictures, audio and video come from its Storage. */
export function securityHeaders(supabase: string): Readonly<Record<string, string>> {
  const { origin } = new URL(supabase)
  return {
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      `img-src 'self' ${origin}`,
      `media-src 'self' ${origin}`,
      "form-action 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  }
}
