import { LONGEST_RETRY_AFTER_MS } from '../../machines/circuit.ts'
import type { Claim, Failure, Settlement } from '../attachment.ts'
import type { Circuits } from './circuits.ts'

/**
 * What a failed attempt means for its row. A failure that names its cause is taken at its word; one that does
 * not asks the dependency's neutral probe: probe fails, the circuit opens and the attempt counts nothing;
 * probe succeeds, the dependency works and the failure is the attachment's own.
 */
export async function judge(
  claim: Claim,
  failure: Failure,
  circuits: Pick<Circuits, 'trip' | 'works' | 'waitMs'>,
  retryDelayMs: number,
): Promise<Settlement> {
  const { code, message } = failure
  switch (failure.verdict) {
    case 'fail':
      return { outcome: 'failed', code, message }
    case 'retry':
      return { outcome: 'retry', code, message, retryInMs: later(failure, retryDelayMs) }
    case 'interrupted':
      if (failure.dependency === null) {
        return { outcome: 'interrupted', code, message, retryInMs: later(failure, SOON_MS) }
      }
      circuits.trip(failure.dependency, failure)
      return { outcome: 'interrupted', code, message, retryInMs: circuits.waitMs(failure.dependency) }
    case 'unattributed': {
      if (!(await circuits.works(failure.dependency))) {
        return { outcome: 'interrupted', code, message, retryInMs: circuits.waitMs(failure.dependency) }
      }
      return failure.otherwise === 'retry'
        ? { outcome: 'retry', code, message, retryInMs: later(failure, retryDelayMs) }
        : failedForGood(claim, code, message)
    }
  }
}

/** Nobody interrupts an attempt and then has it judged; should it happen, the row must not come round at once. */
const SOON_MS = 1000

/** A Retry-After can only put it off, and not for ever: attempts are few, and Meta keeps the file for a week. */
function later({ retryAfterMs = 0 }: { readonly retryAfterMs?: number }, delayMs: number): number {
  return Math.max(delayMs, Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS))
}

/** Gone is gone; past Meta's seven days the reason has a name of its own. */
function failedForGood(claim: Claim, code: string, message: string): Settlement {
  const expired = code === 'media_gone' && Date.parse(claim.expiresAt) <= Date.now()
  return { outcome: 'failed', code: expired ? 'media_expired' : code, message }
}
