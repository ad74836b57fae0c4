import {
  composeBody,
  newMessageId,
  type OutgoingMessage,
} from '../../../supabase/functions/whatsapp-webhook/compose.ts'
import { signBody } from '../../../supabase/functions/whatsapp-webhook/sign.ts'
import type { Sample } from '../samples/index.ts'

export { newMessageId, type OutgoingMessage }

export interface Delivery {
  /** The webhook's address. */
  readonly url: string
  readonly appSecret: string
  /** The business's number that the messages were sent to. */
  readonly phoneNumberId: string
  /** All in one POST; Meta sends up to 1,000 and 3 MB. */
  readonly messages: readonly OutgoingMessage[]
}

export interface DeliveryAnswer {
  /** Anything but 200 makes Meta deliver again. */
  readonly status: number
  readonly text: string
}

/** POSTs messages as Meta does, signed over the very bytes. Rejects when the webhook cannot be reached. */
export async function sendWebhook(delivery: Delivery): Promise<DeliveryAnswer> {
  const body = composeBody(delivery.phoneNumberId, delivery.messages)
  const response = await fetch(delivery.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'facebookexternalua',
      'x-hub-signature-256': await signBody(delivery.appSecret, body),
    },
    body,
  })
  return { status: response.status, text: await response.text() }
}

export interface Sender {
  /** Digits. */
  readonly from: string
  readonly profileName?: string
}

/** What WhatsApp keeps of a file: the id to ask Graph for, and its hash in 64 hex digits. */
export interface KeptMedia {
  readonly id: string
  readonly sha256: string
}

/** A message by which `sender` sends that sample, whose bytes WhatsApp keeps as `kept`. `sentAt`: ms since 1970. */
export function messageWith(
  sample: Sample,
  kept: KeptMedia,
  sender: Sender,
  sentAt = Date.now(),
): OutgoingMessage {
  const { caption, fileName, voice, animated } = sample
  return {
    ...sender,
    id: newMessageId(),
    timestamp: Math.floor(sentAt / 1000),
    media: {
      id: kept.id,
      kind: sample.kind,
      mimeType: sample.mimeType,
      sha256: Buffer.from(kept.sha256, 'hex').toString('base64'),
      ...(caption === null ? {} : { caption }),
      ...(fileName === null ? {} : { fileName }),
      ...(voice === null ? {} : { voice }),
      ...(animated === null ? {} : { animated }),
    },
  }
}
