import { explain, get } from './api.ts'
import { h, setText, show } from './dom.ts'
import { filterForm } from './filters.ts'
import { plural } from './format.ts'
import { empty, heading } from './parts.ts'
import { attachmentsHash, type Filters, queryOf } from './route.ts'
import { attachmentRow, tableHead } from './rows.ts'
import type { View } from './view.ts'
import type { ListAnswer, Summary } from './wire.ts'

/** While files pour in the list is read again at most this often. */
const FRESH_MS = 1_000

/** The rows of the last search stay, dimmed, until those of the next are there: an empty moment would flicker. */
let lastRows: ListAnswer['rows'] = []

export function attachmentsView(filters: Filters, before: number | null): View {
  const fault = h('p', { class: 'fault', role: 'alert' })
  const found = h('p', { class: 'small', role: 'status' })
  const bounded = h('p', { class: 'small', hidden: true })
  const body = h('tbody')
  const table = h('table', { class: 'table stacking files' }, tableHead(), body)
  const nothing = h('div')
  const pages = h('nav', { class: 'pages', 'aria-label': 'Pages' })
  const element = h(
    'div',
    { class: 'page' },
    heading('Attachments'),
    filterForm(filters),
    fault,
    found,
    table,
    nothing,
    bounded,
    pages,
  )
  const closed = new AbortController()
  let counts = ''
  let loading = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let opened = true

  async function load(): Promise<void> {
    if (loading) return
    loading = true
    try {
      const page = await get<ListAnswer>(`/api/attachments${queryOf(filters, before)}`, closed.signal)
      fault.replaceChildren()
      fill(page)
    } catch (error) {
      if (closed.signal.aborted) return
      fault.replaceChildren(explain(error))
      // The dimmed rows are those of another search.
      if (table.hasAttribute('aria-busy')) table.hidden = true
    } finally {
      loading = false
    }
  }

  function fill({ rows, next_before, note }: ListAnswer): void {
    lastRows = rows
    table.removeAttribute('aria-busy')
    table.hidden = rows.length === 0
    show(body, rows, () => rows.map(attachmentRow))
    bounded.hidden = note === null
    setText(bounded, note ?? '')
    const anyFilter = Object.keys(filters).length > 0
    show(nothing, [rows.length, anyFilter], () => (rows.length > 0 ? [] : [nothingFound(anyFilter, before)]))
    // Read out once for each search, not each time that a file arrives.
    if (opened)
      found.replaceChildren(rows.length === 0 ? '' : `${plural(rows.length, 'file')} shown, newest first`)
    opened = false
    show(pages, [before, next_before], () => [
      before === null
        ? null
        : h('a', { class: 'button', href: attachmentsHash(filters), 'data-focus': 'newest' }, 'Newest'),
      next_before === null
        ? null
        : h(
            'a',
            {
              class: 'button',
              href: attachmentsHash(filters, next_before),
              'data-focus': 'older',
              rel: 'next',
            },
            'Older files',
          ),
    ])
  }

  table.hidden = lastRows.length === 0
  table.setAttribute('aria-busy', 'true')
  show(body, lastRows, () => lastRows.map(attachmentRow))
  void load()
  return {
    title: 'Attachments',
    element,
    update: (summary: Summary) => {
      const now = JSON.stringify([summary.counts, summary.lanes.claimed])
      if (counts === now) return
      const first = counts === ''
      counts = now
      if (first || timer !== undefined) return
      timer = setTimeout(() => {
        timer = undefined
        void load()
      }, FRESH_MS)
    },
    close: () => {
      closed.abort()
      clearTimeout(timer)
    },
  }
}

function nothingFound(anyFilter: boolean, before: number | null): HTMLElement {
  if (before !== null) return empty('No older files', 'This is the end of the list.')
  if (anyFilter)
    return empty(
      'No file matches',
      'Take a filter away, or look at the spelling: a phone number is written in digits.',
    )
  return empty(
    'No file has been sent yet',
    'When somebody sends a picture to your WhatsApp number, it stands here a second later.',
  )
}
