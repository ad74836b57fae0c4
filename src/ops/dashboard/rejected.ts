import { explain, get } from './api.ts'
import { h } from './dom.ts'
import { bytes, count } from './format.ts'
import { empty, heading, timeAgo } from './parts.ts'
import type { View } from './view.ts'
import type { Rejected, RejectedAnswer } from './wire.ts'

const TITLES = ['Reason', 'Message', 'Deliveries', 'Size', 'Last seen']

/** What the webhook was sent, properly signed, and could not understand. The bytes stay in the table. */
export function rejectedView(before: number | null): View {
  const fault = h('p', { class: 'fault', role: 'alert' })
  const place = h('div', { class: 'slot' })
  const element = h(
    'div',
    { class: 'page' },
    heading('Not understood'),
    h(
      'p',
      { class: 'lead' },
      'Signed by Meta, and not readable as a message. Every byte is kept in the table ',
      h('code', {}, 'rejected_payloads'),
      '; after an update ',
      h('code', {}, 'mediaferry rejected --reprocess'),
      ' tries them again.',
    ),
    fault,
    place,
  )
  const closed = new AbortController()

  async function load(): Promise<void> {
    try {
      const { rows, next_before } = await get<RejectedAnswer>(
        `/api/rejected${before === null ? '' : `?before=${before}`}`,
        closed.signal,
      )
      place.replaceChildren(
        rows.length === 0
          ? empty('Nothing was rejected', 'Every payload so far was understood.')
          : table(rows),
        next_before === null
          ? ''
          : h(
              'nav',
              { class: 'pages', 'aria-label': 'Pages' },
              h('a', { class: 'button', href: `#/rejected?before=${next_before}` }, 'Older'),
            ),
      )
    } catch (error) {
      if (!closed.signal.aborted) fault.replaceChildren(explain(error))
    }
  }
  void load()
  return { title: 'Not understood', element, update: () => {}, close: () => closed.abort() }
}

function table(rows: readonly Rejected[]): HTMLElement {
  return h(
    'table',
    { class: 'table stacking' },
    h('thead', {}, h('tr', {}, ...TITLES.map(title => h('th', { scope: 'col' }, title)))),
    h(
      'tbody',
      {},
      ...rows.map(row =>
        h(
          'tr',
          {},
          h('td', { 'data-label': 'Reason', dir: 'auto' }, `#${row.id} · ${row.reason}`),
          h(
            'td',
            { 'data-label': 'Message' },
            row.message_id === null ? 'a whole delivery' : h('code', { class: 'clip' }, row.message_id),
          ),
          h('td', { 'data-label': 'Deliveries', class: 'number' }, count(row.times)),
          h('td', { 'data-label': 'Size', class: 'number' }, bytes(row.size_bytes)),
          h('td', { 'data-label': 'Last seen' }, timeAgo(row.last_seen_at)),
        ),
      ),
    ),
  )
}
