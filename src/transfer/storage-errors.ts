import type { Failure } from '../attachment.ts'
import { parseJson } from './gather.ts'
import { isRecord, retryAfterMs } from './rate-headers.ts'
import { fit, TransferError } from './transfer-error.ts'
import type { RefusedAnswer } from './whatsapp-errors.ts'

/** An error of Storage as its body tells it; the wire status is nearly always 400 and says little. */
export interface StorageAnswer {
  /** Such as `KeyAlreadyExists`; empty when the body has none. */
  readonly code: string
  /** The body's `statusCode` (text or number), else the wire's. */
  readonly status: number
  readonly message: string
}

export function storageAnswer(answer: RefusedAnswer): StorageAnswer {
  const body = parseJson(answer.text)
  if (!isRecord(body)) return { code: '', status: answer.status, message: '' }
  // Only these two are numbers in disguise: an object's own toString could throw.
  const status = ['string', 'number'].includes(typeof body.statusCode) ? Number(body.statusCode) : Number.NaN
  const message = [body.message, body.error].find(text => typeof text === 'string' && text !== '')
  return {
    code: typeof body.code === 'string' ? body.code : '',
    status: Number.isInteger(status) && status >= 400 && status <= 599 ? status : answer.status,
    message: typeof message === 'string' ? message : '',
  }
}

export const isMissing = ({ code, status, message }: StorageAnswer): boolean =>
  code === 'NoSuchKey' || (code === '' && status === 404 && /\bobject not found/i.test(message))

export const alreadyExists = ({ code, status }: StorageAnswer): boolean =>
  code === 'KeyAlreadyExists' || (code === '' && status === 409)

/**
 * What an error of Storage means; pure, and never throws. By the body's `code`, then the body's `statusCode`,
 * then the HTTP status (measured against supabase/storage 1.11.2).
 *
 * | answer                                            | verdict                         | failure code |
 * |---------------------------------------------------|---------------------------------|--------------|
 * | 402; 413 or EntityTooLarge that speaks of a quota | interrupted                     | `quota` |
 * | EntityTooLarge; 413                               | fail                            | `storage_size_limit` |
 * | InvalidMimeType; 415                              | fail                            | `storage_type_refused` |
 * | InvalidKey                                        | fail                            | `storage_key_refused` |
 * | NoSuchBucket; 404 that speaks of a bucket         | interrupted                     | `bucket_missing` |
 * | 401 or 403 that speaks of row-level security      | interrupted                     | `permission` |
 * | AccessDenied, InvalidJWT; 401, 403                | interrupted                     | `credentials` |
 * | DatabaseTimeout; 544                              | interrupted                     | `storage_database` |
 * | DatabaseReadOnly                                  | interrupted                     | `storage_read_only` |
 * | InternalError that says ENOSPC                    | interrupted                     | `storage_disk_full` |
 * | SlowDown; 429                                     | interrupted                     | `storage_rate_limited` |
 * | ResourceLocked, LockTimeout                       | unattributed, otherwise `retry` | `storage_locked` |
 * | InternalError, DatabaseError; 5xx                 | unattributed, otherwise `retry` | `storage_unavailable` |
 * | KeyAlreadyExists (where it was not expected)      | retry                           | `storage_key_taken` |
 * | anything else                                     | unattributed, otherwise `retry` | `storage_unknown` |
 *
 * The last row carries the whole answer as evidence for the log.
 */
export function storageFailure(answer: RefusedAnswer, now: number): TransferError {
  const said = storageAnswer(answer)
  const label = said.code === '' ? `HTTP ${said.status}` : `${said.code}, ${said.status}`
  const text = fit(`Storage: ${said.message === '' ? 'no reason given' : said.message} (${label})`)
  const failure = decide(said, text)
  const wait = retryAfterMs(answer.headers, now)
  const canWait = failure.verdict === 'interrupted' || failure.verdict === 'unattributed'
  return new TransferError(
    canWait && wait !== undefined ? { ...failure, retryAfterMs: wait } : failure,
    failure.code === 'storage_unknown' ? { evidence: answer.text } : {},
  )
}

/** Nothing that the neutral probe meets can be an attachment's own fault: whatever it is, it is an outage. */
export function storageProbeFailure(error: TransferError): TransferError {
  const { code, message, ...rest } = error.failure
  if (rest.verdict === 'interrupted') return error
  const wait =
    'retryAfterMs' in rest && rest.retryAfterMs !== undefined ? { retryAfterMs: rest.retryAfterMs } : {}
  return new TransferError(
    { verdict: 'interrupted', dependency: 'storage', code, message, ...wait },
    { cause: error, ...(error.evidence === undefined ? {} : { evidence: error.evidence }) },
  )
}

const LIMIT_ADVICE =
  'The project or the bucket has a lower size limit than this file (the free plan caps a file at 50 MB).'

function decide({ code, status, message }: StorageAnswer, text: string): Failure {
  switch (code) {
    case 'EntityTooLarge':
      return tooLarge(message, text)
    case 'InvalidMimeType':
      return fail('storage_type_refused', text)
    case 'InvalidKey':
      return fail('storage_key_refused', text)
    case 'NoSuchBucket':
      return down('bucket_missing', text)
    case 'AccessDenied':
    case 'InvalidJWT':
    case 'InvalidSignature':
      return denied(message, text)
    case 'DatabaseTimeout':
      return down('storage_database', text)
    case 'DatabaseReadOnly':
      return down('storage_read_only', text)
    case 'SlowDown':
      return down('storage_rate_limited', text)
    case 'ResourceLocked':
    case 'LockTimeout':
      return unclear('storage_locked', text)
    case 'KeyAlreadyExists':
      return { verdict: 'retry', code: 'storage_key_taken', message: text }
    case 'InternalError':
    case 'DatabaseError':
      return /ENOSPC|no space left/i.test(message)
        ? down('storage_disk_full', text)
        : unclear('storage_unavailable', text)
    default:
      return byStatus(status, message, text)
  }
}

function byStatus(status: number, message: string, text: string): Failure {
  switch (status) {
    case 401:
    case 403:
      return denied(message, text)
    case 402:
      return down('quota', text)
    case 404:
      return /bucket/i.test(message) ? down('bucket_missing', text) : unclear('storage_unknown', text)
    case 413:
      return tooLarge(message, text)
    case 415:
      return fail('storage_type_refused', text)
    case 429:
      return down('storage_rate_limited', text)
    case 544:
      return down('storage_database', text)
    default:
      return unclear(status >= 500 ? 'storage_unavailable' : 'storage_unknown', text)
  }
}

const tooLarge = (message: string, text: string): Failure =>
  /quota|usage limit/i.test(message)
    ? down('quota', text)
    : fail('storage_size_limit', fit(`${LIMIT_ADVICE} ${text}`))

const denied = (message: string, text: string): Failure =>
  down(/row-level security|permission denied/i.test(message) ? 'permission' : 'credentials', text)

const fail = (code: string, message: string): Failure => ({ verdict: 'fail', code, message })

const down = (code: string, message: string): Failure => ({
  verdict: 'interrupted',
  dependency: 'storage',
  code,
  message,
})

const unclear = (code: string, message: string): Failure => ({
  verdict: 'unattributed',
  dependency: 'storage',
  code,
  message,
  otherwise: 'retry',
})
