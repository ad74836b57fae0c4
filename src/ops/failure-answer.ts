import { reasonFor } from '../reasons.ts'

/** The webhook already knew that there is nothing to fetch, or the person wanted to be forgotten. */
const NEVER_AGAIN = new Set([
  'forgotten',
  'media_id_missing',
  'media_id_invalid',
  'media_unsupported',
  'media_unavailable',
])

/** One code of `/api/failures`. */
export const failureAnswer = (code: string, count: number) => ({
  code,
  count,
  ...explain(code),
  retryable: !NEVER_AGAIN.has(code),
})

/** A code in plain words. */
export function explain(code: string) {
  const reason = reasonFor(code)
  const words = code.replaceAll('_', ' ')
  return {
    title: words.charAt(0).toUpperCase() + words.slice(1),
    explanation: reason?.meaning ?? 'WhatsApp gave this code with the message; the row has its text.',
    advice: reason?.advice ?? 'Look the code up in the documentation of the WhatsApp Cloud API.',
  }
}
