import { bytesOfHex, importSecret } from './sign.ts'

/** Exactly Meta's form: no second algorithm, no upper case, no blanks. */
const HEADER = /^sha256=([0-9a-f]{64})$/

export const SIGNATURE_HEADER = 'x-hub-signature-256'

/** The 32 bytes that the header claims, or null when it is missing or of another shape. */
export function readSignature(header: string | null): Uint8Array<ArrayBuffer> | null {
  const hex = HEADER.exec(header ?? '')?.[1]
  return hex === undefined ? null : bytesOfHex(hex)
}

export type Verify = (signature: Uint8Array<ArrayBuffer>, body: Uint8Array<ArrayBuffer>) => Promise<boolean>

/**
 * Checks a signature over the bytes as they were received. Every secret is tried each time, so that the
 * duration does not tell which one matched; `verify` itself compares in constant time, as Web Cryptography
 * demands of HMAC.
 */
export function createVerify(secrets: readonly string[]): Verify {
  const keys = Promise.all(secrets.map(importSecret))
  return async (signature, body) => {
    const matches = await Promise.all(
      (await keys).map(key => crypto.subtle.verify('HMAC', key, signature, body)),
    )
    return matches.includes(true)
  }
}

/** Compares two texts without telling by its duration where they differ, or how long the secret one is. */
export async function sameText(left: string, right: string): Promise<boolean> {
  const key = await importSecret(crypto.randomUUID())
  const encoder = new TextEncoder()
  const mac = await crypto.subtle.sign('HMAC', key, encoder.encode(left))
  return await crypto.subtle.verify('HMAC', key, mac, encoder.encode(right))
}
