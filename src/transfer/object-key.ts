import type { Claim } from '../attachment.ts'
import { essence } from './content.ts'
import { TransferError } from './transfer-error.ts'

/** What a key is made of: one claim's columns. */
export type KeyParts = Pick<Claim, 'id' | 'claimToken' | 'objectPrefix' | 'declaredMimeType'>

const SEGMENT = /^[A-Za-z0-9_.-]{1,200}$/
const KEY_LIMIT = 1024
/** More lower keys than these are not looked at. */
const LOWER_KEYS_AT_MOST = 200

/**
 * `<object_prefix>/<attachment id>-<claim token>.<extension of the declared type>`. A function of the claim
 * alone, so that no two claims ever write the same key and anyone can name the keys of a row's earlier claims.
 * Throws a TransferError (`fail`, `object_key_unsafe`) for what cannot be made safe: Storage's clients do not
 * encode keys, `#` truncates them and `..` climbs out of the bucket.
 */
export function objectKey(parts: KeyParts): string {
  return keyFor(parts, parts.claimToken)
}

/** The keys that earlier claims of this row may have written, newest first. */
export function lowerKeys(parts: KeyParts): string[] {
  if (parts.claimToken === 1) return []
  const count = Math.min(Math.max(parts.claimToken - 1, 0), LOWER_KEYS_AT_MOST)
  return Array.from({ length: count }, (_, at) => keyFor(parts, parts.claimToken - 1 - at))
}

function keyFor({ id, objectPrefix, declaredMimeType }: KeyParts, token: number): string {
  if (!Number.isSafeInteger(id) || id < 0) throw unsafe('the id is no whole number')
  if (!Number.isSafeInteger(token) || token < 1) throw unsafe('the claim token is no whole number')
  const key = `${objectPrefix}/${id}-${token}.${extensionOf(declaredMimeType)}`
  const bad = keyFault(key)
  if (bad !== null) throw unsafe(bad)
  return key
}

/** Why a key is not safe to put into an address; null when it is. */
export function keyFault(key: string): string | null {
  if (key.length > KEY_LIMIT) return 'the key is too long'
  const safe = key.split('/').every(segment => SEGMENT.test(segment) && segment !== '.' && segment !== '..')
  return safe ? null : 'the object prefix holds more than letters, digits and _ - .'
}

/** A bucket's name as one segment of an address. Storage allows spaces and more in it. */
export function bucketSegment(bucket: string): string {
  if (!/^[\w!\-.*'() &$@=;:+,?]{1,100}$/.test(bucket) || bucket === '.' || bucket === '..') {
    throw unsafe('the bucket has no valid name')
  }
  return encodeURIComponent(bucket)
}

function unsafe(why: string): TransferError {
  return new TransferError({
    verdict: 'fail',
    code: 'object_key_unsafe',
    message: `No safe object key can be made for this row: ${why}.`,
  })
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/jpg': 'jpg',
  'image/svg+xml': 'bin',
  'video/quicktime': 'mov',
  'video/3gpp': '3gp',
  'video/3gpp2': '3g2',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/x-m4a': 'm4a',
  'audio/x-wav': 'wav',
  'text/plain': 'txt',
  'text/html': 'bin',
  'text/vcard': 'vcf',
  'text/x-vcard': 'vcf',
  'text/javascript': 'bin',
  'application/javascript': 'bin',
  'application/xhtml+xml': 'bin',
  'application/octet-stream': 'bin',
  'application/msword': 'doc',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.ms-powerpoint': 'ppt',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
  'application/vnd.oasis.opendocument.text': 'odt',
  'application/vnd.oasis.opendocument.spreadsheet': 'ods',
  'application/x-zip-compressed': 'zip',
}

/** `jpg` for image/jpeg; the subtype itself where it is a short plain word (png, webp, pdf); else `bin`. */
export function extensionOf(mimeType: string | null): string {
  const type = essence(mimeType ?? '')
  const known = Object.hasOwn(EXTENSIONS, type) ? EXTENSIONS[type] : undefined
  const subtype = type.slice(type.indexOf('/') + 1)
  return known ?? (type.includes('/') && /^[a-z0-9]{1,8}$/.test(subtype) ? subtype : 'bin')
}
