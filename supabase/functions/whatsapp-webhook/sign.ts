/** Signing as Meta does it; shared with the command line's `replay`. Web standards only. */

const HMAC = { name: 'HMAC', hash: 'SHA-256' }

export type HmacKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

export function importSecret(secret: string): Promise<HmacKey> {
  return crypto.subtle.importKey('raw', new TextEncoder().encode(secret), HMAC, false, ['sign', 'verify'])
}

/**
 * The value of `X-Hub-Signature-256` for a body: `sha256=` and the 64 lower-case hex digits of the
 * HMAC-SHA256 of its bytes under the app secret (Meta, "Webhooks: Validating payloads").
 */
export async function signBody(secret: string, body: Uint8Array<ArrayBuffer>): Promise<string> {
  const mac = await crypto.subtle.sign('HMAC', await importSecret(secret), body)
  return `sha256=${hexOf(new Uint8Array(mac))}`
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

export function bytesOfHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
}
