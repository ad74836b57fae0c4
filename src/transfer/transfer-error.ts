import type { Failure } from '../attachment.ts'
import { tidyText, withoutSecrets } from '../errors.ts'

const EVIDENCE_LIMIT = 2000

/** Why a transfer did not end in a stored object. `failure` is what the daemon acts on. */
export class TransferError extends Error {
  readonly failure: Failure
  /** For the log: the whole of an answer that nobody knows how to read, without secrets. */
  readonly evidence: string | undefined

  constructor(failure: Failure, options: { evidence?: string; cause?: unknown } = {}) {
    super(failure.message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'TransferError'
    this.failure = failure
    this.evidence =
      options.evidence === undefined ? undefined : tidyText(withoutSecrets(options.evidence), EVIDENCE_LIMIT)
  }
}

/** Text from outside, fit for a row: no secrets, no URL, well-formed, at most 500 code points. */
export const fit = (text: string): string => tidyText(withoutSecrets(text))
