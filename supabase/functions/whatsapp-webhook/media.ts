import { type IngestMedia, MEDIA_KINDS, type MediaKind } from './batch.ts'
import { sha256Hex } from './hash.ts'
import { get, getArray, getBoolean, getObject, type JsonObject } from './json.ts'
import { identifier, mendErrorText, mendText, mimeType } from './text.ts'

/**
 * Meta's word that there is nothing to fetch: 131051 message type unknown, 131052 file over 100 MB,
 * 131060 message not available (Meta, "Cloud API error codes").
 */
const FINAL_CODES = ['131051', '131052', '131060']

/**
 * The file of a message, told by its `type`; null for a message without one (text, reaction, location,
 * contacts, button, interactive, types yet unknown). `errorsBeside` are those that the delivery names beside its
 * messages: they explain one that has neither a file nor an error of its own.
 */
export function mediaOf(
  message: JsonObject,
  type: string,
  errorsBeside: readonly unknown[] = [],
): IngestMedia | null {
  const kind = MEDIA_KINDS.find(known => known === type) ?? null
  const own = getArray(message, 'errors')
  const lacksFile =
    kind === null ? type === 'unsupported' : identifier(get(getObject(message, kind), 'id')) === null
  const error = errorOf(own.length === 0 && lacksFile ? errorsBeside : own, type)
  if (kind === null) return error === null ? null : { ...describe(null, null), ...error }

  const media = describe(kind, getObject(message, kind))
  const isFinal =
    error !== null && (media.whatsapp_media_id === null || FINAL_CODES.includes(error.error_code))
  return isFinal ? { ...media, ...error } : media
}

function describe(kind: MediaKind | null, object: JsonObject | null): IngestMedia {
  return {
    whatsapp_media_id: identifier(get(object, 'id')),
    kind,
    caption: mendText(get(object, 'caption')),
    file_name: mendText(get(object, 'filename')),
    voice: getBoolean(object, 'voice'),
    animated: getBoolean(object, 'animated'),
    declared_mime_type: mimeType(get(object, 'mime_type')),
    declared_sha256: sha256Hex(get(object, 'sha256')),
    error_code: null,
    error_message: null,
  }
}

interface MediaError {
  readonly error_code: string
  readonly error_message: string | null
}

/**
 * The error that says why a file will not come. On a message of another type only the final codes count,
 * and on `unsupported` any error does, for what it stood for is lost.
 */
function errorOf(errors: readonly unknown[], type: string): MediaError | null {
  const read = errors.map(error => ({
    error_code: codeOf(get(error, 'code')),
    error_message:
      mendErrorText(get(get(error, 'error_data'), 'details')) ??
      mendErrorText(get(error, 'message')) ??
      mendErrorText(get(error, 'title')),
  }))
  const found = read.find(error => FINAL_CODES.includes(error.error_code))
  const isMedia = MEDIA_KINDS.some(kind => kind === type)
  if (found !== undefined || !(isMedia || type === 'unsupported')) return found ?? null
  if (read[0] !== undefined) return read[0]
  return isMedia
    ? null
    : { error_code: 'unsupported', error_message: 'WhatsApp did not pass this message on' }
}

function codeOf(value: unknown): string {
  return typeof value === 'number' ? String(value) : (identifier(value)?.slice(0, 50) ?? 'unknown')
}
