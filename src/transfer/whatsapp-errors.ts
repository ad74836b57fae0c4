import type { Failure } from '../attachment.ts'
import { parseJson } from './gather.ts'
import { type Headers, isRecord, retryAfterMs, usageOf } from './rate-headers.ts'
import { fit, TransferError } from './transfer-error.ts'

/** An answer that is not the one that was hoped for. `text` is its body, with our own token taken out. */
export interface RefusedAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/**
 * What an error of the Graph API means; pure, and never throws. By the body's `code`, and by the HTTP status
 * only where the body has none (Meta: "Cloud API error codes", "Graph API: handling errors", "Rate limits").
 *
 * | code                                              | verdict                         | failure code |
 * |---------------------------------------------------|---------------------------------|--------------|
 * | 190, 0, 3, 10, 102, 104, 200 to 299               | interrupted                     | `token_rejected` |
 * | 33, 368, 131031                                   | interrupted                     | `account` |
 * | 4, 17, 32, 613, 80007, 130429, 131056; HTTP 429   | interrupted                     | `rate_limited` |
 * | 1, 2, 131000, 131016, 131057, is_transient; 5xx   | unattributed, otherwise `retry` | `whatsapp_unavailable` |
 * | 100 with subcode 33                               | unattributed, otherwise `fail`  | `media_gone` |
 * | 131051                                            | fail                            | `media_unsupported` |
 * | 131052                                            | fail                            | `too_large` |
 * | 131060                                            | fail                            | `media_unavailable` |
 * | anything else                                     | unattributed, otherwise `retry` | `whatsapp_unknown` |
 *
 * 100/33 is said alike of what is gone and of what this token may not see, hence the probe. The last row
 * carries the whole answer as evidence for the log.
 */
export function graphFailure(answer: RefusedAnswer, now: number): TransferError {
  const error = errorOf(answer.text)
  const failure = error === undefined ? byStatus(answer, now) : byCode(error, answer, now)
  return new TransferError(failure, failure.code === 'whatsapp_unknown' ? { evidence: answer.text } : {})
}

/**
 * A download that was refused. 401, 403 and 404 mean most often that the address is older than its five
 * minutes: `download_refused`, which asks for one fresh resolve. An error of the Graph API in the body, a 429
 * or 5xx says more and is read as above.
 */
export function downloadFailure(answer: RefusedAnswer, now: number): TransferError {
  const error = errorOf(answer.text)
  const known = error === undefined ? byStatus(answer, now) : byCode(error, answer, now)
  if (known.code !== 'whatsapp_unknown' && known.code !== 'media_gone') return new TransferError(known)
  const failure = {
    ...unattributed('download_refused', `The media host refused the download (HTTP ${answer.status}).`),
  }
  return new TransferError(failure, { evidence: answer.text })
}

/** The same for the neutral probe, where nothing can be an attachment's own fault: whatever it is, it is an outage. */
export function probeFailure(error: TransferError): TransferError {
  const { failure } = error
  if (failure.verdict === 'interrupted') return error
  const gone = failure.code === 'media_gone'
  return new TransferError(
    {
      verdict: 'interrupted',
      dependency: 'whatsapp',
      code: gone ? 'phone_number_unreadable' : failure.code,
      message: gone
        ? 'This access token cannot read the phone number id of its own messages.'
        : failure.message,
      ...('retryAfterMs' in failure && failure.retryAfterMs !== undefined
        ? { retryAfterMs: failure.retryAfterMs }
        : {}),
    },
    { cause: error, ...(error.evidence === undefined ? {} : { evidence: error.evidence }) },
  )
}

interface GraphError {
  readonly code: number
  readonly subcode: number | undefined
  readonly transient: boolean
  readonly message: string
}

const TOKEN = new Set([0, 3, 10, 102, 104, 190])
const ACCOUNT = new Set([33, 368, 131031])
const RATE = new Set([4, 17, 32, 613, 80007, 130429, 131056])
const TEMPORARY = new Set([1, 2, 131000, 131016, 131057])
const PERMANENT: ReadonlyMap<number, string> = new Map([
  [131051, 'media_unsupported'],
  [131052, 'too_large'],
  [131060, 'media_unavailable'],
])
const SUBCODE_GONE = 33

function byCode(error: GraphError, answer: RefusedAnswer, now: number): Failure {
  const { code, subcode } = error
  const text = fit(`WhatsApp: ${error.message} (code ${code}${subcode === undefined ? '' : `/${subcode}`})`)
  const permanent = PERMANENT.get(code)
  if (TOKEN.has(code) || (code >= 200 && code <= 299)) return interrupted('token_rejected', text)
  if (ACCOUNT.has(code)) return interrupted('account', text)
  if (RATE.has(code)) return limited(text, answer, now)
  if (code === 100 && subcode === SUBCODE_GONE)
    return { ...unattributed('media_gone', text), otherwise: 'fail' }
  if (permanent !== undefined) return { verdict: 'fail', code: permanent, message: text }
  if (TEMPORARY.has(code) || error.transient) return waiting('whatsapp_unavailable', text, answer, now)
  return unattributed('whatsapp_unknown', text)
}

function byStatus(answer: RefusedAnswer, now: number): Failure {
  const text = `WhatsApp answered HTTP ${answer.status} without saying why.`
  if (answer.status === 429) return limited(text, answer, now)
  if (answer.status >= 500) return waiting('whatsapp_unavailable', text, answer, now)
  return unattributed('whatsapp_unknown', text)
}

const interrupted = (code: string, message: string) =>
  ({ verdict: 'interrupted', dependency: 'whatsapp', code, message }) as const

const unattributed = (code: string, message: string) =>
  ({ verdict: 'unattributed', dependency: 'whatsapp', code, message, otherwise: 'retry' }) as const

function waiting(code: string, message: string, answer: RefusedAnswer, now: number): Failure {
  const wait = retryAfterMs(answer.headers, now)
  return { ...unattributed(code, message), ...(wait === undefined ? {} : { retryAfterMs: wait }) }
}

/** Waits as told: `Retry-After`, else the minutes until access is regained. */
function limited(message: string, answer: RefusedAnswer, now: number): Failure {
  const wait = retryAfterMs(answer.headers, now) ?? (usageOf(answer.headers)?.regainAccessMs || undefined)
  return { ...interrupted('rate_limited', message), ...(wait === undefined ? {} : { retryAfterMs: wait }) }
}

function errorOf(text: string): GraphError | undefined {
  const body = parseJson(text)
  const error = isRecord(body) ? body.error : undefined
  if (!isRecord(error)) return undefined
  const code = numberOf(error.code)
  if (code === undefined) return undefined
  const details = isRecord(error.error_data) ? error.error_data.details : undefined
  const parts = [error.message, details].filter(part => typeof part === 'string' && part !== '')
  return {
    code,
    subcode: numberOf(error.error_subcode),
    transient: error.is_transient === true,
    message: parts.length === 0 ? 'an error without a message' : parts.join(': '),
  }
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined
}
