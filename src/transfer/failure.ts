import type { Dependency, Failure } from '../attachment.ts'
import { describeError } from '../errors.ts'
import { TransferError } from './transfer-error.ts'

/**
 * From anything thrown to a failure; pure, and never throws. Answers of a server are told apart in
 * whatsapp-errors.ts and storage-errors.ts, by the code in the body before the HTTP status; here is what is
 * no answer at all.
 *
 * | what went wrong                                    | verdict                    | code |
 * |----------------------------------------------------|----------------------------|------|
 * | an answer with an error in it                      | see those two tables       | |
 * | no address, refused, reset, cut, TLS, broken HTTP  | unattributed, else `retry` | `whatsapp_unreachable`, `storage_unreachable` |
 * | a timeout of any kind                              | unattributed, else `retry` | `whatsapp_timeout`, `storage_timeout` |
 * | aborted by us (drain, pause, lease lost)           | interrupted, nothing down  | `stopped` |
 * | the bytes are not those that were declared         | retry                      | `integrity` |
 * | a web page or JSON error instead of the file       | unattributed, else `retry` | `error_page` |
 * | over MAX_FILE_SIZE                                 | fail                       | `too_large` |
 * | the address is on a host that may not have a token | retry                      | `media_host_refused` |
 * | the row cannot be made into a safe address         | fail                       | `media_id_invalid`, `object_key_unsafe` |
 * | anything else: a fault of this program             | retry                      | `internal` |
 *
 * `unattributed, else X` asks the dependency's neutral probe: when that fails too it is an outage, otherwise X.
 * All codes are explained in reasons.ts.
 */
export function failureOf(error: unknown): Failure {
  if (error instanceof TransferError) return error.failure
  if (isAbort(error)) return stopped()
  return { verdict: 'retry', code: 'internal', message: describeError(error) }
}

export function stopped(): Failure {
  return {
    verdict: 'interrupted',
    dependency: null,
    code: 'stopped',
    message: 'The transfer was stopped before it was done.',
  }
}

const NAMES: Readonly<Record<Dependency, string>> = {
  whatsapp: 'WhatsApp',
  storage: 'Storage',
  database: 'The database',
}

/** A request that got no whole answer: whose fault that is, only the probe can tell. */
export function noAnswer(dependency: Dependency, error: unknown): TransferError {
  if (error instanceof TransferError) return error
  const late = TIMEOUTS.has(codeOf(error))
  const what = late ? 'took too long' : 'could not be reached, or hung up'
  const failure: Failure = {
    verdict: 'unattributed',
    dependency,
    code: `${dependency}_${late ? 'timeout' : 'unreachable'}`,
    message: describeError(`${NAMES[dependency]} ${what}: ${describeError(error)}`),
    otherwise: 'retry',
  }
  return new TransferError(failure, { cause: error })
}

/** Our own deadline passed while that dependency was being waited for. */
export function tooSlow(dependency: Dependency, ms: number): TransferError {
  return new TransferError({
    verdict: 'unattributed',
    dependency,
    code: `${dependency}_timeout`,
    message: `${NAMES[dependency]} was not done after ${Math.round(ms / 1000)} s.`,
    otherwise: 'retry',
  })
}

const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
])

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || codeOf(error) === 'UND_ERR_ABORTED')
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}
