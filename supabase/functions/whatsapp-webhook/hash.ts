import { hexOf } from './sign.ts'

/**
 * A SHA-256 as 64 lower-case hex digits, told by its shape: the webhook sends base64 (44 characters), the
 * media endpoint hex. Null for anything else: without a declared hash the file is carried all the same.
 */
export function sha256Hex(value: unknown): string | null {
  if (typeof value !== 'string') return null
  if (/^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase()
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(value)) return null
  const binary = atob(value.replaceAll('-', '+').replaceAll('_', '/'))
  return hexOf(Uint8Array.from(binary, char => char.charCodeAt(0)))
}

/** A multiple of 3, so that the pieces join without padding; small enough for one call's arguments. */
const PIECE = 24_576

export function base64Of(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE)))
  }
  return text
}
