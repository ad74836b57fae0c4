import type { WriteLog } from '../../../../supabase/functions/whatsapp-webhook/log.ts'

/** What Meta's examples look like, one part at a time; a test changes what it is about. */

export const SHA_BASE64 = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
export const SHA_HEX = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

type Json = Record<string, unknown>

export function imageMessage(changes: Json = {}, media: Json = {}): Json {
  return {
    from: '4915112345678',
    id: 'wamid.HBgNNDkxNTExMjM0NTY3OBUCABIYFDNB',
    timestamp: '1744344496',
    type: 'image',
    image: { id: '1003383421387256', mime_type: 'image/jpeg', sha256: SHA_BASE64, ...media },
    ...changes,
  }
}

export function messagesValue(messages: unknown, changes: Json = {}): Json {
  return {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '15550783881', phone_number_id: '106540352242922' },
    contacts: [{ profile: { name: 'Sheena Nelson' }, wa_id: '4915112345678' }],
    messages,
    ...changes,
  }
}

export function webhook(...values: unknown[]): Json {
  return {
    object: 'whatsapp_business_account',
    entry: [{ id: '102290129340398', changes: values.map(value => ({ field: 'messages', value })) }],
  }
}

export function bytesOf(payload: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(typeof payload === 'string' ? payload : JSON.stringify(payload))
}

export interface LogLine {
  readonly level: string
  readonly event: string
  readonly [name: string]: unknown
}

export function recordLog(): { log: WriteLog; lines: LogLine[] } {
  const lines: LogLine[] = []
  return { lines, log: (level, event, fields = {}) => void lines.push({ level, event, ...fields }) }
}
