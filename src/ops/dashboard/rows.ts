import { h } from './dom.ts'
import { bytes, kindWord, nameOf, phoneOf, senderOf, words } from './format.ts'
import { kindIcon } from './icons.ts'
import { badge, timeAgo } from './parts.ts'
import type { Row } from './wire.ts'

const TITLES = ['Status', 'File', 'From', 'Size', 'Sent', 'Attempts']

export function tableHead(): HTMLElement {
  return h('thead', {}, h('tr', {}, ...TITLES.map(title => h('th', { scope: 'col' }, title))))
}

export function attachmentRow(row: Row): HTMLElement {
  return h(
    'tr',
    { 'data-id': row.id },
    h('td', { 'data-label': 'Status' }, badge(row.upload_status)),
    h(
      'td',
      { class: 'file', 'data-label': 'File' },
      h(
        'a',
        { class: 'file-link', href: `#/attachments/${row.id}`, 'data-focus': `row-${row.id}` },
        kindIcon(row.kind, row.voice),
        h('span', { class: 'clip', dir: 'auto' }, nameOf(row)),
      ),
      h('span', { class: 'small clip' }, underName(row)),
    ),
    h(
      'td',
      { class: 'from', 'data-label': 'From' },
      h('span', { class: 'clip', dir: 'auto' }, senderOf(row)),
      h('span', { class: 'small' }, row.lead?.profile_name ? phoneOf(row.lead.phone) : ''),
    ),
    h('td', { class: 'number', 'data-label': 'Size' }, row.size_bytes === null ? '' : bytes(row.size_bytes)),
    h('td', { 'data-label': 'Sent' }, timeAgo(row.sent_at)),
    h('td', { class: 'number', 'data-label': 'Attempts' }, `${row.upload_attempts} of ${row.max_attempts}`),
  )
}

/** Why it is not there yet; else what it is. */
function underName(row: Row): string {
  if (row.error_code !== null) {
    // A number of Meta's says nothing; its text does.
    const why = /^\d+$/.test(row.error_code) ? row.error_message || row.error_code : words(row.error_code)
    return `#${row.id} · ${why}`
  }
  const caption = row.file_name && row.caption ? ` · ${row.caption}` : ''
  return `#${row.id} · ${kindWord(row)}${caption}`
}
