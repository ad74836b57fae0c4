import { checkViolation } from './model-error.ts'
import type { AttachmentRow } from './rows.ts'

const MEDIA_KINDS = ['image', 'video', 'audio', 'document', 'sticker']
const HASH = /^[0-9a-f]{64}$/

type Rule = (row: AttachmentRow) => boolean

const bytes = (text: string): number => Buffer.byteLength(text)
const between = (value: number, least: number, most: number): boolean => value >= least && value <= most

function uploadedWhole(row: AttachmentRow): boolean {
  const object = [row.object_key, row.content_type, row.size_bytes, row.sha256, row.uploaded_at]
  if (row.upload_status !== 'UPLOADED') return object.every(column => column === null) && !row.verified
  return object.every(column => column !== null) && row.error_code === null && row.error_message === null
}

function ownKey({ id, object_key, object_prefix }: AttachmentRow): boolean {
  if (object_key === null) return true
  return (
    object_key.startsWith(`${object_prefix}/${id}-`) &&
    /^[A-Za-z0-9_./-]+$/.test(object_key) &&
    !/(^|\/)\.{0,2}(\/|$)/.test(object_key)
  )
}

/** The check constraints of `attachments` that its callers' arguments can violate. */
const RULES: Readonly<Record<string, Rule>> = {
  attachments_message_id_check: row => between(bytes(row.message_id), 1, 1000),
  attachments_whatsapp_media_id_check: row =>
    row.whatsapp_media_id === null || between(bytes(row.whatsapp_media_id), 1, 1000),
  attachments_phone_number_id_check: row => between(bytes(row.phone_number_id), 1, 256),
  attachments_kind_check: row => row.kind === null || MEDIA_KINDS.includes(row.kind),
  attachments_declared_sha256_check: row => row.declared_sha256 === null || HASH.test(row.declared_sha256),
  attachments_max_attempts_check: row => between(row.max_attempts, 1, 1000),
  attachments_attempts: row =>
    between(row.upload_attempts, 0, row.max_attempts) &&
    (row.upload_status === 'UPLOADED' ||
      row.upload_status === 'FAILED' ||
      row.upload_attempts < row.max_attempts),
  attachments_size_bytes_check: row => row.size_bytes === null || row.size_bytes >= 0,
  attachments_sha256_check: row => row.sha256 === null || HASH.test(row.sha256),
  attachments_error_code_check: row => row.error_code !== '',
  attachments_uploaded_whole: uploadedWhole,
  attachments_failed_says_why: row => row.upload_status !== 'FAILED' || row.error_code !== null,
  attachments_own_key: ownKey,
}

/** Throws 23514 for a row that the table would not take. */
export function checkAttachment(row: AttachmentRow): void {
  for (const [constraint, holds] of Object.entries(RULES)) if (!holds(row)) throw checkViolation(constraint)
}
