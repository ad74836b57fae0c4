import { reasonFor } from '../reasons.ts'

/** One code of `/api/failures`. */
export const failureAnswer = (code: string, count: number) => ({
  code,
  count,
  ...explain(code),
  retryable: reasonFor(code)?.final !== true,
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
