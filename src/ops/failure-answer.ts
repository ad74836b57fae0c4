import type { FullRow } from '../api-shapes.ts'
import { reasonFor, titleOf } from '../reasons.ts'

/** One code of `/api/failures`. */
export const failureAnswer = (code: string, count: number) => ({ code, count, ...explain(code) })

/** A code in plain words, with the advice for that row; without one, for a FAILED row. */
export function explain(code: string, row?: Pick<FullRow, 'upload_status' | 'upload_attempts'>) {
  const reason = reasonFor(code)
  const advice = reason?.advice ?? 'Look the code up in the documentation of the WhatsApp Cloud API.'
  // An outage counts no attempt, and never makes a row FAILED.
  const later = row !== undefined && row.upload_attempts > 0 ? `Should it end FAILED: ${advice}` : advice
  const unless = reason?.unless === undefined ? '' : ` Only if ${reason.unless}: mend that, then retry it.`
  return {
    title: titleOf(code),
    explanation: reason?.meaning ?? 'WhatsApp gave this code with the message; the row has its text.',
    advice: row?.upload_status === 'PENDING' ? `It is tried again by itself. ${later}` : advice + unless,
    retryable: reason?.final !== true,
  }
}
