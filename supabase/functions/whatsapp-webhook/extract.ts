import type { Batch, IngestMessage, IngestReject } from './batch.ts'
import { base64Of } from './hash.ts'
import { senderOf } from './identity.ts'
import { get, getArray, isObject, type JsonObject } from './json.ts'
import { mediaOf } from './media.ts'
import { identifier } from './text.ts'
import { sentAt } from './timestamp.ts'

export interface ExtractOptions {
  readonly bucket: string
  readonly maxAttempts: number
  /** Milliseconds since 1970. */
  readonly now: number
}

/**
 * Takes a signed body apart: every entry, change and message. Never throws. Whatever part does not have its
 * shape becomes a reject with its own JSON, and its neighbours go through; a body that is no JSON at all is
 * one reject of the raw bytes. Bytes that are not UTF-8 become U+FFFD where they stand in a text, so that
 * one caption does not cost the batch.
 */
export function extractBatch(body: Uint8Array, options: ExtractOptions): Batch {
  const messages: IngestMessage[] = []
  const rejected: IngestReject[] = []
  let ignored = 0

  let wholeBodyKept = false
  const reject = (reason: string, part: unknown, ids: Partial<Ids> = {}) => {
    const partBase64 = base64OfJson(part)
    if (partBase64 === null && wholeBodyKept) return
    wholeBodyKept ||= partBase64 === null
    rejected.push({
      reason,
      message_id: ids.message_id ?? null,
      phone_number_id: ids.phone_number_id ?? null,
      payload_base64: partBase64 ?? base64Of(body),
    })
  }

  let payload: unknown
  try {
    payload = JSON.parse(new TextDecoder().decode(body))
  } catch {
    rejected.push({
      reason: 'not JSON',
      message_id: null,
      phone_number_id: null,
      payload_base64: base64Of(body),
    })
    return { messages, rejected, ignored }
  }

  for (const entry of list(payload, 'entry', reject)) {
    for (const change of list(entry, 'changes', reject)) {
      if (get(change, 'field') !== 'messages') {
        if (typeof get(change, 'field') === 'string') ignored++
        else reject('change without field', change)
        continue
      }
      const value = get(change, 'value')
      if (!isObject(value)) {
        reject('change without value', change)
        continue
      }
      ignored += getArray(value, 'statuses').length + getArray(value, 'errors').length
      if (!Object.hasOwn(value, 'messages')) continue
      for (const message of list(value, 'messages', reject)) {
        const outcome = readMessage(message, value, options)
        if ('reason' in outcome) reject(outcome.reason, message, outcome)
        else messages.push(outcome)
      }
    }
  }
  return { messages, rejected, ignored }
}

type Reject = (reason: string, part: unknown) => void

/** The elements of `name`; when it is not an array, its owner is the reject. */
function list(owner: unknown, name: string, reject: Reject): readonly unknown[] {
  const found = get(owner, name)
  if (Array.isArray(found)) return found
  reject(`no list of ${name}`, owner)
  return []
}

interface Ids {
  readonly message_id: string | null
  readonly phone_number_id: string | null
}

function readMessage(
  message: unknown,
  value: JsonObject,
  options: ExtractOptions,
): IngestMessage | (Ids & { readonly reason: string }) {
  const message_id = identifier(get(message, 'id'))
  const phone_number_id = identifier(get(get(value, 'metadata'), 'phone_number_id'), 256)
  const refuse = (reason: string) => ({ reason, message_id, phone_number_id })

  if (!isObject(message)) return refuse('message is not an object')
  if (message_id === null) return refuse('message without a usable id')
  if (phone_number_id === null) return refuse('message without a usable phone number id')
  const type = get(message, 'type')
  if (typeof type !== 'string') return refuse('message without a type')
  const raw_base64 = base64OfJson(message)
  if (raw_base64 === null) return refuse('message nested too deeply')

  return {
    message_id,
    phone_number_id,
    sent_at: sentAt(get(message, 'timestamp'), options.now),
    bucket: options.bucket,
    max_attempts: options.maxAttempts,
    contact: senderOf(message, value),
    media: mediaOf(message, type, getArray(value, 'errors')),
    raw_base64,
  }
}

/** Null when the value is nested so deeply that `JSON.stringify` runs out of stack, which `JSON.parse` does not. */
function base64OfJson(value: unknown): string | null {
  try {
    return base64Of(new TextEncoder().encode(JSON.stringify(value)))
  } catch {
    return null
  }
}
