import type { OpsSources } from './sources.ts'

/** The webhook already knew that there is nothing to fetch, or the person wanted to be forgotten. */
const NEVER_AGAIN = new Set([
  'forgotten',
  'media_id_missing',
  'media_id_invalid',
  'media_unsupported',
  'media_unavailable',
])

/** One code of `/api/failures`. */
export const failureAnswer = (code: string, count: number, reasonFor: OpsSources['reasonFor']) => ({
  code,
  count,
  ...explain(code, reasonFor),
  retryable: !NEVER_AGAIN.has(code),
})

const BESIDE_TRANSFERS: Readonly<Record<string, { readonly meaning: string; readonly advice: string }>> = {
  worker_lost: {
    meaning: 'Five daemons in a row lost their lease while they had this file: it may be what ended them.',
    advice: 'Look in the log for what ended them, mend that, and retry the file.',
  },
  forgotten: {
    meaning: 'The person who sent it was forgotten on request.',
    advice: 'Nothing: the row goes too.',
  },
  media_id_missing: {
    meaning: 'The webhook named no media id, so there is nothing to ask WhatsApp for.',
    advice: 'Ask the sender to send it again.',
  },
}

/** A code in plain words. */
export function explain(code: string, reasonFor: OpsSources['reasonFor']) {
  const reason =
    reasonFor(code) ?? (Object.hasOwn(BESIDE_TRANSFERS, code) ? BESIDE_TRANSFERS[code] : undefined)
  const words = code.replaceAll('_', ' ')
  return {
    title: words.charAt(0).toUpperCase() + words.slice(1),
    explanation: reason?.meaning ?? 'WhatsApp gave this code with the message; the row has its text.',
    advice: reason?.advice ?? 'Look the code up in the documentation of the WhatsApp Cloud API.',
  }
}
