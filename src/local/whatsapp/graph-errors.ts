import { randomBytes } from 'node:crypto'

/** An error answer of the Graph API, in the shape of its reference ("Handling errors"). */
export interface GraphErrorAnswer {
  readonly status: number
  readonly body: {
    readonly error: {
      readonly message: string
      readonly type: string
      readonly code: number
      readonly error_subcode?: number
      readonly is_transient?: boolean
      readonly error_data?: { readonly messaging_product: 'whatsapp'; readonly details: string }
      readonly fbtrace_id: string
    }
  }
}

interface Known {
  readonly status: number
  readonly message: string
  readonly transient?: true
  readonly details?: string
}

/** Codes, titles and HTTP statuses as in Meta's "Cloud API error codes" and "Graph API: handling errors". */
const KNOWN: Readonly<Record<number, Known>> = {
  0: { status: 401, message: 'AuthException: we were unable to authenticate the app user' },
  1: { status: 500, message: 'An unknown error occurred', transient: true },
  2: { status: 503, message: 'Service temporarily unavailable', transient: true },
  3: { status: 500, message: '(#3) Application does not have the capability to make this API call.' },
  4: { status: 400, message: '(#4) Application request limit reached', transient: true },
  10: { status: 403, message: '(#10) Application does not have permission for this action' },
  17: { status: 400, message: '(#17) User request limit reached', transient: true },
  32: { status: 400, message: '(#32) Page request limit reached', transient: true },
  33: { status: 400, message: '(#33) Parameter value is not valid: the phone number has been deleted' },
  100: { status: 400, message: '(#100) Invalid parameter' },
  102: { status: 401, message: 'Session key invalid or no longer valid' },
  104: { status: 400, message: 'An access token is required to request this resource.' },
  190: { status: 401, message: 'Invalid OAuth access token - Cannot parse access token' },
  368: { status: 403, message: '(#368) Temporarily blocked for policies violations' },
  613: { status: 400, message: '(#613) Calls to this api have exceeded the rate limit.', transient: true },
  2500: { status: 400, message: 'Unknown path components' },
  80007: { status: 400, message: '(#80007) Rate limit issues', transient: true },
  130429: { status: 429, message: '(#130429) Rate limit hit', details: 'Too many messages in this time.' },
  131000: { status: 500, message: '(#131000) Something went wrong', details: 'Unknown error.' },
  131016: { status: 500, message: '(#131016) Service unavailable', details: 'Overloaded or down.' },
  131031: { status: 403, message: '(#131031) Account has been locked', details: 'Policy violation.' },
  131056: { status: 400, message: '(#131056) Pair rate limit hit', details: 'Too many to this number.' },
  131057: { status: 500, message: '(#131057) Account in maintenance mode', details: 'Being upgraded.' },
}

const SUBCODE_GONE = 33

/** The answer for a code. One that is not listed gets the permission error of its range (200 to 299) or a plain 400. */
export function graphError(code: number, subcode?: number, status?: number): GraphErrorAnswer {
  const known = KNOWN[code] ?? unlisted(code)
  return {
    status: status ?? known.status,
    body: {
      error: {
        message: known.message,
        type: 'OAuthException',
        code,
        ...(subcode === undefined ? {} : { error_subcode: subcode }),
        ...(known.transient === undefined ? {} : { is_transient: true }),
        ...(known.details === undefined
          ? {}
          : { error_data: { messaging_product: 'whatsapp' as const, details: known.details } }),
        fbtrace_id: randomBytes(16).toString('base64url'),
      },
    },
  }
}

/** What Graph says about an id that it does not have, or that this token may not see: the two look alike. */
export function objectMissing(id: string): GraphErrorAnswer {
  return withMessage(
    graphError(100, SUBCODE_GONE),
    `Unsupported get request. Object with ID '${id}' does not exist, cannot be loaded due to missing ` +
      'permissions, or does not support this operation. Please read the Graph API documentation at ' +
      'https://developers.facebook.com/docs/graph-api',
    'GraphMethodException',
  )
}

export function withMessage(answer: GraphErrorAnswer, message: string, type?: string): GraphErrorAnswer {
  const { error } = answer.body
  return { ...answer, body: { error: { ...error, message, type: type ?? error.type } } }
}

function unlisted(code: number): Known {
  return code >= 200 && code <= 299
    ? { status: 403, message: `(#${code}) Permissions error` }
    : { status: 400, message: `(#${code}) Error` }
}
