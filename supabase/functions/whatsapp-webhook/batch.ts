/** What one delivery becomes: the arguments of the SQL function `ingest_whatsapp_messages`. */

export const MEDIA_KINDS = ['image', 'video', 'audio', 'document', 'sticker'] as const
export type MediaKind = (typeof MEDIA_KINDS)[number]

export interface IngestContact {
  /** Business-scoped user id, `CC.<alphanumerics>`. */
  readonly user_id: string | null
  /** Digits only. */
  readonly phone: string | null
  readonly profile_name: string | null
}

export interface IngestMedia {
  /** null: WhatsApp named none, and the row is FAILED from the start. */
  readonly whatsapp_media_id: string | null
  readonly kind: MediaKind | null
  readonly caption: string | null
  /** As the sender named it, slashes and all: never a path. */
  readonly file_name: string | null
  readonly voice: boolean | null
  readonly animated: boolean | null
  readonly declared_mime_type: string | null
  /** 64 hex digits. */
  readonly declared_sha256: string | null
  /** Set: the row is FAILED with this code, for there is nothing to fetch. */
  readonly error_code: string | null
  readonly error_message: string | null
}

export interface IngestMessage {
  readonly message_id: string
  readonly phone_number_id: string
  /** ISO 8601; null: unknown, and the database takes its own now. */
  readonly sent_at: string | null
  readonly bucket: string
  readonly max_attempts: number
  readonly contact: IngestContact | null
  /** null: a message without a file, recorded as processed and nothing more. */
  readonly media: IngestMedia | null
  /** The message's own JSON, kept when the database makes it a reject. */
  readonly raw_base64: string
}

export interface IngestReject {
  readonly reason: string
  readonly message_id: string | null
  readonly phone_number_id: string | null
  readonly payload_base64: string
}

export interface Batch {
  readonly messages: readonly IngestMessage[]
  readonly rejected: readonly IngestReject[]
  /** Acknowledged and ignored: delivery statuses, errors of the account, changes of other fields. */
  readonly ignored: number
}
