import type { UploadStatus } from '../../../src/attachment.ts'
import type { Json } from '../../../src/database/types.gen.ts'

/** The tables of the migrations, as the model keeps them: times are milliseconds since the epoch, ids are numbers. */

export type JsonObject = { [key: string]: Json | undefined }

export interface AttachmentRow {
  readonly id: number
  readonly lead_id: number | null
  readonly message_id: string
  readonly whatsapp_media_id: string | null
  readonly phone_number_id: string
  readonly kind: string | null
  readonly caption: string | null
  readonly file_name: string | null
  readonly voice: boolean | null
  readonly animated: boolean | null
  readonly declared_mime_type: string | null
  readonly declared_sha256: string | null
  readonly sent_at: number
  readonly expires_at: number
  readonly upload_status: UploadStatus
  readonly upload_attempts: number
  readonly max_attempts: number
  readonly next_attempt_at: number
  readonly claim_token: number
  readonly lost_leases: number
  readonly leased_by: string | null
  readonly leased_until: number | null
  readonly bucket: string
  readonly object_prefix: string
  readonly object_key: string | null
  readonly content_type: string | null
  readonly size_bytes: number | null
  readonly sha256: string | null
  readonly verified: boolean
  readonly uploaded_at: number | null
  readonly error_code: string | null
  readonly error_message: string | null
  readonly created_xid: number
  readonly created_at: number
  readonly updated_at: number
}

export interface LeadRow {
  readonly id: number
  readonly user_id: string | null
  readonly phone: string | null
  readonly profile_name: string | null
  readonly phone_seen_at: number
  readonly created_at: number
  readonly updated_at: number
}

export interface MessageRow {
  readonly message_id: string
  readonly lead_id: number | null
  readonly processed_at: number
}

export interface RejectRow {
  readonly reason: string
  readonly message_id: string | null
  readonly phone_number_id: string | null
  /** Hex, which is also the row's key here. */
  readonly payload: string
  readonly times: number
  readonly first_seen_at: number
  readonly last_seen_at: number
}

export interface EventRow {
  readonly id: number
  readonly attachment_id: number | null
  readonly worker: string | null
  readonly event: string
  readonly detail: JsonObject
  readonly created_at: number
}

export interface ControlRow {
  readonly paused: boolean
  readonly changed_by: string | null
  readonly reason: string | null
  readonly changed_at: number
}

export interface CanaryRow {
  readonly worker: string
  readonly beat: number
  readonly state: string
  readonly circuits: JsonObject
  readonly version: string
  readonly last_seen: number
}
