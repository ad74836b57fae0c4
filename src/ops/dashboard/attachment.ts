import { explain, get } from './api.ts'
import { knownCard, storyCard, whyCard } from './attachment-cards.ts'
import { h, setText, show } from './dom.ts'
import { fromWhom } from './format.ts'
import { badge, heading } from './parts.ts'
import { preview } from './preview.ts'
import type { View } from './view.ts'
import type { Opened } from './wire.ts'

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
    setText(about, fromWhom(attachment))
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
