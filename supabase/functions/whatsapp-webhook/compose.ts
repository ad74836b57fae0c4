/**
 * Builds a delivery as WhatsApp would send it; shared with the command line's `replay`. Web standards only.
 * Shape: Meta, "Cloud API: Webhooks payload examples".
 */
import type { MediaKind } from './batch.ts'
import { base64Of } from './hash.ts'

export interface OutgoingMedia {
  readonly kind: MediaKind
  /** The media id that the Graph API knows. */
  readonly id: string
  readonly mimeType: string
  /** base64, as the webhook carries it. */
  readonly sha256: string
  readonly caption?: string
  /** Documents only. */
  readonly fileName?: string
  /** Audio only. */
  readonly voice?: boolean
  /** Stickers only. */
  readonly animated?: boolean
}

export interface OutgoingMessage {
  /** The wamid; see {@link newMessageId}. */
  readonly id: string
  /** Digits. A sender with a username may have only a user id. */
  readonly from?: string
  readonly userId?: string
  readonly profileName?: string
  /** Unix seconds. */
  readonly timestamp: number
  readonly media: OutgoingMedia
}

/** The bytes of one POST with all the messages in one change: the body to sign and send. */
export function composeBody(
  phoneNumberId: string,
  messages: readonly OutgoingMessage[],
): Uint8Array<ArrayBuffer> {
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '15550000000', phone_number_id: phoneNumberId },
    contacts: contactsOf(messages),
    messages: messages.map(composeMessage),
  }
  const payload = {
    object: 'whatsapp_business_account',
    entry: [{ id: '0', changes: [{ field: 'messages', value }] }],
  }
  return new TextEncoder().encode(escapeAsMeta(JSON.stringify(payload)))
}

/** A wamid that no other message has. */
export function newMessageId(): string {
  return `wamid.${base64Of(crypto.getRandomValues(new Uint8Array(30)))}`
}

/** Meta's spelling of JSON: slashes and everything outside ASCII escaped. */
export function escapeAsMeta(json: string): string {
  return json
    .replaceAll('/', '\\/')
    .replace(/[\u007f-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function contactsOf(messages: readonly OutgoingMessage[]) {
  const senders = new Map(messages.map(message => [message.userId ?? message.from, message]))
  return Array.from(senders.values(), ({ from, userId, profileName }) => ({
    profile: { name: profileName ?? '' },
    ...(from === undefined ? {} : { wa_id: from }),
    ...(userId === undefined ? {} : { user_id: userId }),
  }))
}

function composeMessage({ id, from, userId, timestamp, media }: OutgoingMessage) {
  const { kind, caption, fileName, voice, animated } = media
  return {
    ...(from === undefined ? {} : { from }),
    ...(userId === undefined ? {} : { from_user_id: userId }),
    id,
    timestamp: String(timestamp),
    type: kind,
    [kind]: {
      ...(caption === undefined ? {} : { caption }),
      ...(fileName === undefined ? {} : { filename: fileName }),
      mime_type: media.mimeType,
      sha256: media.sha256,
      id: media.id,
      ...(voice === undefined ? {} : { voice }),
      ...(animated === undefined ? {} : { animated }),
    },
  }
}
