import { createClient } from '@supabase/supabase-js'
import type { Batch } from './batch.ts'
import { get, getArray } from './json.ts'
import type { Settings } from './settings.ts'

/** Milliseconds. Senders have been seen to hang up after 3 to 20 s; a second delivery of the same is harmless. */
const TIMEOUT = 10_000

export interface IngestCounts {
  readonly new: number
  readonly duplicate: number
  readonly rejected: number
}

/** One call, one transaction. Throws {@link IngestError} when it is not known to be committed. */
export type Ingest = (batch: Batch) => Promise<IngestCounts>

/** The database did not say that it committed. Only its code and the HTTP status: messages can quote a caption. */
export class IngestError extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, status: number) {
    super(`ingest_whatsapp_messages failed: ${code}`)
    this.name = 'IngestError'
    this.code = code
    this.status = status
  }
}

export function createIngest(
  settings: Pick<Settings, 'supabaseUrl' | 'supabaseKey'>,
  timeout = TIMEOUT,
): Ingest {
  const supabase = createClient(settings.supabaseUrl, settings.supabaseKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
  })
  return async ({ messages, rejected }) => {
    const { data, error, status } = await supabase
      .rpc('ingest_whatsapp_messages', { messages, rejected })
      .abortSignal(AbortSignal.timeout(timeout))
      .retry(false)
    if (error !== null) throw new IngestError(error.code || (status === 0 ? 'no_answer' : 'unknown'), status)

    const outcomes = getArray(data, 'messages').map(answer => get(answer, 'outcome'))
    if (outcomes.length !== messages.length) throw new IngestError('unexpected_answer', status)
    const count = (outcome: string) => outcomes.filter(found => found === outcome).length
    return { new: count('new'), duplicate: count('duplicate'), rejected: count('rejected') }
  }
}
