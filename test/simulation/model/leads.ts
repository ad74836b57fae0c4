import { z } from 'zod'
import type { LeadRow } from './rows.ts'
import { by, HOUR_MS, type Session, tell } from './session.ts'

export const contact = z
  .object({
    user_id: z.string().nullish(),
    phone: z.string().nullish(),
    profile_name: z.string().nullish(),
  })
  .nullish()
export type Contact = z.output<typeof contact>

/** `nullif(text, '')`. */
export const given = (text: string | null | undefined): string | null =>
  text === undefined || text === '' ? null : text

/** `mediaferry.lock_identities`. One advisory lock for each identity, where PostgreSQL has 256 for all of them. */
export function lockIdentities(session: Session, contacts: readonly Contact[]): void {
  const users = new Set<string>()
  const phones = new Set<string>()
  const sharedPhones = new Set<string>()
  for (const one of contacts) {
    const [user, phone] = [given(one?.user_id), given(one?.phone)]
    if (user !== null) users.add(user)
    if (phone !== null) phones.add(phone)
    if (user !== null && phone !== null) sharedPhones.add(phone)
  }
  for (const identity of new Set([...users, ...phones])) session.lockIdentity(identity)
  const known = session.leads
    .all()
    .filter(({ user_id: user, phone }) => isIn(users, user) || isIn(phones, phone))
    .sort(by(row => row.id))
  for (const lead of known) session.leads.lock(lead.id)
  const merging = known.filter(lead => lead.user_id === null && isIn(sharedPhones, lead.phone))
  for (const row of session.attachments.all().sort(by(({ id }) => id))) {
    if (merging.some(lead => lead.id === row.lead_id)) session.attachments.lock(row.id)
  }
}

const isIn = (set: ReadonlySet<string>, value: string | null): boolean => value !== null && set.has(value)

/** `mediaferry.resolve_lead`. */
export function resolveLead(session: Session, of: Contact, seenAt: number): number | null {
  const [user, phone, name] = [given(of?.user_id), given(of?.phone), given(of?.profile_name)]
  if (user === null && phone === null) return null
  const find = (column: 'user_id' | 'phone', value: string | null) =>
    value === null ? undefined : session.leads.all().find(row => row[column] === value)
  const byUser = find('user_id', user)
  const byPhone = find('phone', phone)
  const byPhoneIsThisOne = byPhone !== undefined && (user === null || byPhone.user_id === null)
  const lead =
    byUser ??
    (byPhoneIsThisOne ? byPhone : addLead(session, user, byPhone === undefined ? phone : null, name, seenAt))
  if (phone !== null && phone !== lead.phone) takePhone(session, lead, phone, byPhone, seenAt)
  complete(session, lead.id, user, phone, name, seenAt)
  return lead.id
}

function addLead(
  session: Session,
  user_id: string | null,
  phone: string | null,
  profile_name: string | null,
  phone_seen_at: number,
): LeadRow {
  const id = session.nextId('leads')
  const lead = {
    id,
    user_id,
    phone,
    profile_name,
    phone_seen_at,
    created_at: session.now,
    updated_at: session.now,
  }
  session.leads.put(id, lead)
  return lead
}

/** Merges whoever was known by the phone alone, or takes the phone from whoever had it before. */
function takePhone(
  session: Session,
  lead: LeadRow,
  phone: string,
  owner: LeadRow | undefined,
  seenAt: number,
): void {
  let former = owner
  if (former !== undefined && former.user_id === null) {
    mergeLeads(session, former.id, lead.id)
    former = undefined
  }
  // An old message that arrives late does not undo what a newer one showed.
  if (former !== undefined && seenAt < former.phone_seen_at) return
  if (lead.phone !== null && seenAt < lead.phone_seen_at) return
  if (former !== undefined) {
    session.leads.put(former.id, { ...former, phone: null, updated_at: session.now })
    tell(session, 'phone_changed_hands', {}, { lead_id: lead.id, former_lead_id: former.id })
  }
  session.leads.put(lead.id, { ...lead, phone, phone_seen_at: seenAt, updated_at: session.now })
}

/** `mediaferry.merge_leads`. */
function mergeLeads(session: Session, source: number, target: number): void {
  const { attachments, messages } = session
  const moved = attachments.all().filter(row => row.lead_id === source)
  for (const row of moved) attachments.put(row.id, { ...row, lead_id: target, updated_at: session.now })
  for (const row of messages.all()) {
    if (row.lead_id === source) messages.put(row.message_id, { ...row, lead_id: target })
  }
  session.leads.remove(source)
  const detail = { lead_id: target, merged_lead_id: source, attachments: moved.length }
  tell(session, 'leads_merged', {}, detail)
}

/** Writes what the message adds to what was known of its sender; nothing when it adds nothing. */
function complete(
  session: Session,
  id: number,
  user: string | null,
  phone: string | null,
  name: string | null,
  seenAt: number,
): void {
  const lead = session.leads.get(id)
  if (lead === undefined) return
  const samePhone = phone !== null && lead.phone === phone
  const adds =
    (lead.user_id === null && user !== null) ||
    (name !== null && name !== lead.profile_name) ||
    (samePhone && seenAt > lead.phone_seen_at + HOUR_MS)
  if (!adds) return
  session.leads.put(id, {
    ...lead,
    user_id: lead.user_id ?? user,
    profile_name: name ?? lead.profile_name,
    phone_seen_at: samePhone ? Math.max(lead.phone_seen_at, seenAt) : lead.phone_seen_at,
    updated_at: session.now,
  })
}
