import type { Note, Settlement } from '../attachment.ts'
import { tidyText, withoutSecrets } from '../errors.ts'
import type { Json } from './types.gen.ts'

/** One settlement as `settle_attachments` reads it. All text leaves here safe for jsonb and free of secrets. */
export function settlementRow(settlement: Settlement): Record<string, Json> {
  if (settlement.outcome === 'uploaded') {
    return {
      outcome: 'uploaded',
      object_key: settlement.objectKey,
      content_type: tidyText(settlement.contentType),
      size_bytes: settlement.sizeBytes,
      sha256: settlement.sha256,
      verified: settlement.verified,
      notes: settlement.notes.map(({ event, detail }) => ({ event, detail: tidyDetail(detail) })),
    }
  }
  const reason = {
    outcome: settlement.outcome,
    error_code: settlement.code,
    error_message: tidyText(withoutSecrets(settlement.message)),
  }
  return settlement.outcome === 'failed'
    ? reason
    : { ...reason, retry_in_ms: Math.round(settlement.retryInMs) }
}

/** An event's detail, its texts as safe as those of a settlement. */
export function tidyDetail(detail: Note['detail']): Record<string, Json> {
  const tidy = (value: Json) => (typeof value === 'string' ? tidyText(withoutSecrets(value)) : value)
  return Object.fromEntries(Object.entries(detail).map(([key, value]) => [key, tidy(value)]))
}
