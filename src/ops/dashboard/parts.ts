/** Small pieces that several pages show. */
import { h } from './dom.ts'
import { ago, dateAndTime, STATUS_WORDS } from './format.ts'
import { statusIcon } from './icons.ts'
import type { UploadStatus } from './wire.ts'

/** Milliseconds to add to this browser's clock to have the server's. */
let skew = 0

export function setServerTime(iso: string): void {
  skew = Date.parse(iso) - Date.now()
}

export const serverNow = (): number => Date.now() + skew

export function badge(status: UploadStatus): HTMLElement {
  return h('span', { class: `badge ${status.toLowerCase()}` }, statusIcon(status), STATUS_WORDS[status])
}

/** "3 minutes ago", kept up to date by `keepTimes`; the exact moment is its tooltip. */
export function timeAgo(iso: string): HTMLTimeElement {
  return h(
    'time',
    { datetime: iso, title: dateAndTime(iso), 'data-ago': true },
    ago(Date.parse(iso), serverNow()),
  )
}

export function keepTimes(): void {
  setInterval(() => {
    for (const time of document.querySelectorAll('time[data-ago]')) {
      if (time instanceof HTMLTimeElement) time.textContent = ago(Date.parse(time.dateTime), serverNow())
    }
  }, 1_000)
}

/** A word with a mark in its colour: `good`, `bad`, `wait` or `plain`. */
export function mark(tone: string, text: string): HTMLElement {
  return h('span', { class: `mark ${tone}` }, text)
}

export function empty(title: string, text: string): HTMLElement {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), h('p', {}, text))
}

/** A page's heading takes the focus when the page opens, so that a screen reader says where one is. */
export function heading(text: string, ...beside: readonly Node[]): HTMLElement {
  return h('div', { class: 'page-head' }, h('h1', { tabindex: -1 }, text), ...beside)
}

export function card(title: string, ...children: readonly (Node | null)[]): HTMLElement {
  return h('section', { class: 'card' }, h('h2', {}, title), ...children)
}
