/**
 * Which page the address names. It stands behind the `#`, so that one document serves all and a filtered list can
 * be sent to a colleague: `#/attachments?status=FAILED&q=1555`.
 */
export const FILTERS = ['status', 'kind', 'lead', 'q', 'error', 'text'] as const

export type FilterName = (typeof FILTERS)[number]
export type Filters = Readonly<Partial<Record<FilterName, string>>>

export type Route =
  | { readonly page: 'now' }
  | { readonly page: 'attachments'; readonly filters: Filters; readonly before: number | null }
  | { readonly page: 'attachment'; readonly id: number }
  | { readonly page: 'failures' }
  | { readonly page: 'rejected'; readonly before: number | null }

/** Anything that is no address of ours is the first page. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2)
  const search = new URLSearchParams(query)
  const [page, id] = path.split('/')
  if (page === 'attachments') {
    if (id !== undefined) {
      const number = idOf(id)
      return number === null
        ? { page: 'attachments', filters: {}, before: null }
        : { page: 'attachment', id: number }
    }
    const filters: Partial<Record<FilterName, string>> = {}
    for (const name of FILTERS) {
      const value = search.get(name)?.trim()
      if (value !== undefined && value !== '') filters[name] = value
    }
    return { page: 'attachments', filters, before: idOf(search.get('before')) }
  }
  if (page === 'failures') return { page: 'failures' }
  if (page === 'rejected') return { page: 'rejected', before: idOf(search.get('before')) }
  return { page: 'now' }
}

export function attachmentsHash(filters: Filters, before: number | null = null): string {
  return `#/attachments${queryOf(filters, before)}`
}

/** `?status=FAILED&before=108`, or nothing. */
export function queryOf(filters: Filters, before: number | null): string {
  const search = new URLSearchParams()
  for (const name of FILTERS) {
    const value = filters[name]
    if (value !== undefined && value !== '') search.set(name, value)
  }
  if (before !== null) search.set('before', String(before))
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}

const idOf = (text: string | null): number | null =>
  text !== null && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : null
