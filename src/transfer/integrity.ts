import type { Claim, ResolvedMedia } from '../attachment.ts'

/** What the bytes have to be. Graph's word counts before the webhook's. */
export interface Expectation {
  /** 64 hex digits. */
  readonly sha256: string | null
  /** Bytes. */
  readonly size: number | null
  readonly mimeType: string | null
}

export function expectationOf(claim: Claim, media: ResolvedMedia): Expectation {
  return {
    sha256: media.sha256 ?? claim.declaredSha256,
    size: media.size,
    mimeType: media.mimeType ?? claim.declaredMimeType,
  }
}

/** SHA-256 as 64 hex digits, from hex (Graph) or base64 (webhook), told apart by shape; null for neither. */
export function hexSha256(text: string): string | null {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase()
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return Buffer.from(text, 'base64').toString('hex')
  return null
}

export interface Arrived {
  readonly sha256: string
  readonly size: number
}

/**
 * What is wrong with what arrived, in words; null when nothing is. A declared hash decides alone with the
 * size; without one the size does (and that it is no error page, see content.ts).
 */
export function mismatch(expected: Expectation, arrived: Arrived): string | null {
  if (expected.size !== null && expected.size !== arrived.size) return wrongSize(expected.size, arrived.size)
  if (expected.sha256 !== null && expected.sha256 !== arrived.sha256) {
    return `SHA-256 is ${arrived.sha256}, declared was ${expected.sha256}.`
  }
  return null
}

export const wrongSize = (declared: number, arrived: number | string): string =>
  `${arrived} bytes arrived, ${declared} were declared.`
