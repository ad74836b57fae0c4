import { h } from './dom.ts'
import { capital, KINDS, STATUS_WORDS, STATUSES } from './format.ts'
import { attachmentsHash, FILTERS, type FilterName, type Filters } from './route.ts'

const TYPING_MS = 350

/** The filters of the list. What is chosen goes into the address, and the address makes the list. */
export function filterForm(filters: Filters): HTMLElement {
  const form = h(
    'form',
    { class: 'filters', role: 'search', 'aria-label': 'Filter attachments' },
    choice(
      'status',
      'Status',
      filters,
      STATUSES.map(status => [status, STATUS_WORDS[status]]),
    ),
    choice(
      'kind',
      'Kind',
      filters,
      KINDS.map(kind => [kind, capital(kind)]),
    ),
    line('q', 'Phone or name', filters, 'search'),
    line('text', 'Caption or file name', filters, 'search'),
    line('error', 'Error code', filters, 'search'),
    line('lead', 'Lead', filters, 'search', 'numeric'),
    h(
      'a',
      { class: 'button quiet', href: '#/attachments', hidden: Object.keys(filters).length === 0 },
      'Clear',
    ),
  )
  let typing: ReturnType<typeof setTimeout> | undefined

  function apply(replace: boolean): void {
    clearTimeout(typing)
    const data = new FormData(form)
    const chosen: Partial<Record<FilterName, string>> = {}
    for (const name of FILTERS) {
      const value = data.get(name)
      if (typeof value === 'string' && value.trim() !== '') chosen[name] = value.trim()
    }
    const hash = attachmentsHash(chosen)
    if (hash === location.hash) return
    if (!replace) {
      location.hash = hash
      return
    }
    // One step back for a whole word, not for each of its letters.
    history.replaceState(null, '', hash)
    window.dispatchEvent(new HashChangeEvent('hashchange'))
  }

  form.addEventListener('submit', event => {
    event.preventDefault()
    apply(false)
  })
  form.addEventListener('change', event => {
    if (event.target instanceof HTMLSelectElement) apply(false)
  })
  form.addEventListener('input', event => {
    if (!(event.target instanceof HTMLInputElement)) return
    clearTimeout(typing)
    typing = setTimeout(() => {
      if (form.isConnected) apply(true)
    }, TYPING_MS)
  })
  return form
}

function choice(
  name: FilterName,
  label: string,
  filters: Filters,
  options: readonly (readonly [value: string, text: string])[],
): HTMLElement {
  return h(
    'label',
    {},
    h('span', {}, label),
    h(
      'select',
      { name, 'data-focus': `filter-${name}` },
      h('option', { value: '' }, 'Any'),
      ...options.map(([value, text]) => h('option', { value, selected: filters[name] === value }, text)),
    ),
  )
}

function line(
  name: FilterName,
  label: string,
  filters: Filters,
  type: string,
  inputmode = 'text',
): HTMLElement {
  return h(
    'label',
    {},
    h('span', {}, label),
    h('input', {
      name,
      type,
      inputmode,
      value: filters[name] ?? '',
      autocomplete: 'off',
      spellcheck: 'false',
      'data-focus': `filter-${name}`,
    }),
  )
}
