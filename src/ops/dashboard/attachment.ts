import { act } from './act.ts'
import { explain, get, post } from './api.ts'
import { h, setText, show } from './dom.ts'
import { bytes, dateAndTime, kindWord, phoneOf, senderOf } from './format.ts'
import { badge, heading, timeAgo } from './parts.ts'
import { preview } from './preview.ts'
import { attachmentsHash } from './route.ts'
import { tell } from './story.ts'
import type { View } from './view.ts'
import type { FullRow, Opened, StoryEvent } from './wire.ts'

const AGAIN_MS = 1_000

/** One file: the picture itself, why it is not there, what happened to it, and everything that is known of it. */
export function attachmentView(id: number): View {
  const head = h('div')
  const fault = h('p', { class: 'fault', role: 'alert' })
  const picture = h('div', { class: 'slot' })
  const why = h('div', { class: 'slot why' })
  const story = h('div', { class: 'slot its-story' })
  const known = h('div', { class: 'slot known-slot' })
  const about = h('p', { class: 'lead about', dir: 'auto' })
  const element = h(
    'div',
    { class: 'page' },
    h('p', { class: 'crumb' }, h('a', { href: '#/attachments' }, 'Attachments')),
    heading(`Attachment ${id}`, head),
    about,
    fault,
    h(
      'div',
      { class: 'opened' },
      h('div', { class: 'column' }, picture, known),
      h('div', { class: 'column' }, why, story),
    ),
  )
  const closed = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    try {
      const opened = await get<Opened>(`/api/attachments/${id}`, closed.signal)
      fault.replaceChildren()
      fill(opened)
    } catch (error) {
      if (!closed.signal.aborted) fault.replaceChildren(explain(error))
    }
  }

  function fill(opened: Opened): void {
    const { attachment, events } = opened
    show(head, attachment.upload_status, () => [badge(attachment.upload_status)])
    setText(about, `${kindWord(attachment)} from ${senderOf(attachment)}`)
    picture.hidden = attachment.object_key === null
    show(picture, [attachment.object_key, opened.preview], () =>
      attachment.object_key === null ? [] : [preview(opened)],
    )
    show(
      why,
      [attachment.upload_status, attachment.error_code, attachment.next_attempt_at, opened.reason],
      () => [whyCard(opened, load)],
    )
    show(story, events, () => [storyCard(events)])
    show(known, attachment, () => [knownCard(attachment)])
  }

  void load()
  let counts: string | null = null
  return {
    title: `Attachment ${id}`,
    element,
    update: summary => {
      const now = JSON.stringify([summary.counts, summary.lanes, summary.machine])
      const first = counts === null
      if (counts === now) return
      counts = now
      if (first || timer !== undefined) return
      timer = setTimeout(() => {
        timer = undefined
        void load()
      }, AGAIN_MS)
    },
    close: () => {
      closed.abort()
      clearTimeout(timer)
    },
  }
}

function whyCard({ attachment, reason }: Opened, reload: () => Promise<void>): HTMLElement {
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
    const retry = h('button', { type: 'button', class: 'button primary', 'data-focus': 'retry' }, 'Retry')
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

function storyCard(events: readonly StoryEvent[]): HTMLElement {
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

function knownCard(row: FullRow): HTMLElement {
  const facts: readonly (readonly [name: string, value: string | Node | null])[] = [
    ['File name', row.file_name === null ? null : h('span', { dir: 'auto' }, row.file_name)],
    ['Caption', row.caption === null ? null : h('span', { dir: 'auto' }, row.caption)],
    ['Kind', row.animated === true ? `${kindWord(row)}, animated` : kindWord(row)],
    ['From', sender(row)],
    ['Sent', timeAgo(row.sent_at)],
    ['Arrived', row.uploaded_at === null ? null : timeAgo(row.uploaded_at)],
    ['Meta deletes it', row.upload_status === 'UPLOADED' ? null : timeAgo(row.expires_at)],
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
