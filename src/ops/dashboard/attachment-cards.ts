import { act } from './act.ts'
import { post } from './api.ts'
import { h } from './dom.ts'
import { bytes, dateAndTime, kindWord, phoneOf, senderOf } from './format.ts'
import { timeAgo } from './parts.ts'
import { attachmentsHash } from './route.ts'
import { tell } from './story.ts'
import type { FullRow, Opened, StoryEvent } from './wire.ts'

/** Why it is where it is, in plain words, and Retry when it has failed. */
export function whyCard({ attachment, reason }: Opened, reload: () => Promise<void>): HTMLElement {
  const { id, upload_status, error_code, error_message } = attachment
  const said = error_message === null ? null : h('p', { class: 'quote', dir: 'auto' }, error_message)
  if (upload_status === 'UPLOADED') {
    return h(
      'section',
      { class: 'card tone good' },
      h('h2', {}, 'It arrived'),
      h(
        'p',
        {},
        attachment.verified
          ? 'Whole, and the same bytes as WhatsApp declared.'
          : 'Whole. WhatsApp declared no hash to compare it with.',
      ),
    )
  }
  const explained =
    reason === null
      ? []
      : [
          h('p', {}, reason.explanation),
          h('p', { class: 'advice' }, h('strong', {}, 'What to do '), reason.advice),
        ]
  if (upload_status === 'FAILED') {
    const weight = reason?.retryable === false ? 'button' : 'button primary'
    const retry = h('button', { type: 'button', class: weight, 'data-focus': 'retry' }, 'Retry')
    retry.addEventListener('click', () =>
      act(
        {
          title: `Try attachment ${id} again?`,
          text: 'It becomes due at once, with all its attempts.',
          verb: 'Retry',
        },
        async () => {
          const { retried } = await post<{ retried: readonly number[] }>(`/api/attachments/${id}/retry`, {})
          await reload()
          return retried.length > 0
            ? `Attachment ${id} is tried again now.`
            : `Attachment ${id} was not tried again: it is no longer failed, or WhatsApp never gave it a media id.`
        },
      ),
    )
    return h(
      'section',
      { class: 'card tone bad' },
      h('h2', {}, 'Why it failed', h('code', { class: 'aside' }, error_code)),
      ...explained,
      said,
      h(
        'p',
        { class: 'small' },
        h(
          'a',
          { href: attachmentsHash({ status: 'FAILED', error: error_code ?? '' }) },
          'All that failed for this reason',
        ),
      ),
      retry,
    )
  }
  if (upload_status === 'UPLOADING') {
    return h(
      'section',
      { class: 'card tone under' },
      h('h2', {}, 'It is under way'),
      h(
        'p',
        {},
        attachment.leased_by === null
          ? 'Its daemon gave it back; the next one takes it.'
          : `Daemon ${attachment.leased_by} has it.`,
      ),
    )
  }
  return h(
    'section',
    { class: 'card tone wait' },
    h('h2', {}, 'It waits', error_code === null ? null : h('code', { class: 'aside' }, error_code)),
    ...explained,
    said,
    h('p', {}, 'Next try ', timeAgo(attachment.next_attempt_at), '.'),
  )
}

/** What happened to it, oldest first. */
export function storyCard(events: readonly StoryEvent[]): HTMLElement {
  const lines = events.map(event => {
    const { title, text, tone } = tell(event)
    const detail = JSON.stringify(event.detail, null, 2)
    return h(
      'li',
      { class: `event ${tone}` },
      h('p', { class: 'event-head' }, h('span', { class: 'event-title' }, title), timeAgo(event.at)),
      text === '' ? null : h('p', { dir: 'auto' }, text),
      h(
        'details',
        {},
        h(
          'summary',
          { class: 'small' },
          `${dateAndTime(event.at)}${event.worker === null ? '' : ` · ${event.worker}`}`,
        ),
        h('pre', {}, `${event.event} ${detail}`),
      ),
    )
  })
  return h('section', { class: 'card' }, h('h2', {}, 'Its story'), h('ol', { class: 'story' }, ...lines))
}

/** Every column that says something to a person. */
export function knownCard(row: FullRow): HTMLElement {
  const facts: readonly (readonly [name: string, value: string | Node | null])[] = [
    ['File name', row.file_name === null ? null : h('span', { dir: 'auto' }, row.file_name)],
    ['Caption', row.caption === null ? null : h('span', { dir: 'auto' }, row.caption)],
    ['Kind', row.animated === true ? `${kindWord(row)}, animated` : kindWord(row)],
    ['From', sender(row)],
    ['Sent', timeAgo(row.sent_at)],
    ['Arrived', row.uploaded_at === null ? null : timeAgo(row.uploaded_at)],
    ['Meta deletes it', isGone(row) ? null : timeAgo(row.expires_at)],
    ['Attempts', `${row.upload_attempts} of ${row.max_attempts}`],
    ['Lost leases', row.lost_leases === 0 ? null : String(row.lost_leases)],
    ['Size', row.size_bytes === null ? null : bytes(row.size_bytes)],
    ['Type', row.content_type ?? row.declared_mime_type],
    ['Object', row.object_key === null ? null : h('code', {}, `${row.bucket}/${row.object_key}`)],
    ['SHA-256', row.sha256 === null ? null : h('code', {}, row.sha256)],
    ['Message', h('code', {}, row.message_id)],
    ['Received by', h('code', {}, row.phone_number_id)],
  ]
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'What is known'),
    h(
      'dl',
      { class: 'known' },
      ...facts.flatMap(([name, value]) => (value === null ? [] : [h('dt', {}, name), h('dd', {}, value)])),
    ),
  )
}

/** It is ours already, or Meta's no more. */
const isGone = ({ upload_status: status, error_code: code }: FullRow): boolean =>
  status === 'UPLOADED' || code === 'media_gone'

function sender(row: FullRow): Node {
  const phone = row.lead?.profile_name ? ` ${phoneOf(row.lead.phone)}` : ''
  if (row.lead_id === null) return h('span', {}, senderOf(row))
  return h(
    'span',
    { dir: 'auto' },
    h('a', { href: attachmentsHash({ lead: String(row.lead_id) }), 'data-focus': 'lead' }, senderOf(row)),
    phone,
  )
}
