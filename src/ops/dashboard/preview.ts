import { h } from './dom.ts'
import { nameOf } from './format.ts'
import { empty } from './parts.ts'
import type { Opened } from './wire.ts'

/** The file itself when a browser may show it, and in any case a way to have it. */
export function preview({ attachment, preview: kind }: Opened): HTMLElement {
  const { id } = attachment
  const address = `/api/attachments/${id}/file`
  const download = h(
    'a',
    { class: 'button', href: `${address}?download=1`, 'data-focus': 'download' },
    'Download',
  )
  const place = h('div', { class: 'preview' })
  const refuse = (): void => {
    place.replaceChildren(
      empty(
        'It cannot be shown',
        'Storage did not hand it out, or the browser cannot read it. Try the download.',
      ),
    )
  }
  if (kind === 'image') place.append(h('img', { src: address, alt: nameOf(attachment), onerror: refuse }))
  else if (kind === null)
    place.append(empty('No preview', 'A file of this type is only ever handed out as a download.'))
  else place.append(player(kind, address, refuse))
  return h('section', { class: 'card' }, place, h('div', { class: 'buttons' }, download))
}

/** The signed address lives a minute: whoever pauses longer and goes on needs a new one, at the same second. */
function player(kind: 'audio' | 'video', address: string, refuse: () => void): HTMLElement {
  const element = h(kind, { src: address, controls: true, preload: 'metadata' })
  let failedAt = -1
  element.addEventListener('error', () => {
    const at = element.currentTime
    if (at <= failedAt || at === 0) return refuse()
    failedAt = at
    element.src = address
    element.currentTime = at
    void element.play().catch(refuse)
  })
  return element
}
