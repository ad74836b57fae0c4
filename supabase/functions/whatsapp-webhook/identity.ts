import type { IngestContact } from './batch.ts'
import { get, getArray, type JsonObject } from './json.ts'
import { identifier, mendText } from './text.ts'

/**
 * Who sent a message. Since 2026 a sender with a username may come without `from` and `wa_id`; the
 * business-scoped user id is then the only identity. Null when there is neither: the file is carried all
 * the same.
 */
export function senderOf(message: JsonObject, value: JsonObject): IngestContact | null {
  const claimed = {
    user_id: userId(get(message, 'from_user_id')),
    phone: phoneDigits(get(message, 'from')),
  }
  const contact = contactOf(claimed, getArray(value, 'contacts'))
  const user_id = claimed.user_id ?? contact.user_id
  const phone = claimed.phone ?? contact.phone
  return user_id === null && phone === null ? null : { user_id, phone, profile_name: contact.profile_name }
}

/**
 * The contact that belongs to a sender: the same user id, else the same phone, else the only one there is;
 * never one that says otherwise.
 */
function contactOf(
  sender: Pick<IngestContact, 'user_id' | 'phone'>,
  contacts: readonly unknown[],
): IngestContact {
  const known = contacts.map(readContact)
  const agreeing = known.filter(
    contact => agree(contact.user_id, sender.user_id) && agree(contact.phone, sender.phone),
  )
  const found =
    agreeing.find(contact => contact.user_id !== null && contact.user_id === sender.user_id) ??
    agreeing.find(contact => contact.phone !== null && contact.phone === sender.phone) ??
    (known.length === 1 ? agreeing[0] : undefined)
  return found ?? { user_id: null, phone: null, profile_name: null }
}

function agree(left: string | null, right: string | null): boolean {
  return left === null || right === null || left === right
}

function readContact(contact: unknown): IngestContact {
  return {
    user_id: userId(get(contact, 'user_id')),
    phone: phoneDigits(get(contact, 'wa_id')),
    profile_name: mendText(get(get(contact, 'profile'), 'name')),
  }
}

/** As long as `leads.user_id` takes; a longer one would cost the message. */
function userId(value: unknown): string | null {
  return identifier(value, 256)
}

/**
 * A phone number as digits only. Null when it holds letters (it is then something else) or is longer than
 * any number (E.164 has at most 15 digits; some room is left).
 */
export function phoneDigits(value: unknown): string | null {
  if (typeof value !== 'string' || !/^[+\d\s().-]{1,40}$/.test(value)) return null
  const digits = value.replace(/\D/g, '')
  return digits === '' || digits.length > 20 ? null : digits
}
