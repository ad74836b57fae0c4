import { h, setText, svg } from './dom.ts'
import { count } from './format.ts'
import { type Box, type Layout, NARROW, WIDE } from './statechart-layout.ts'
import type { Summary, UploadStatus } from './wire.ts'

const ROWS: Readonly<Record<string, UploadStatus>> = {
  UPLOADED: 'UPLOADED',
  PENDING: 'PENDING',
  FAILED: 'FAILED',
}
const WAYS: Readonly<Record<string, string>> = {
  waiting: 'claimed, no lane is free yet',
  UPLOADING: 'a lane works on it',
  resolving: 'asks where the file is',
  transferring: 'WhatsApp to Storage',
  judging: 'whose fault was it?',
  settling: 'tells the database',
  released: 'not ours any more',
}

const narrow = matchMedia('(max-width: 760px)')
const calm = matchMedia('(prefers-reduced-motion: reduce)')

/** The picture of machines/attachment.ts with how many are in each state now. */
export function statechart(): {
  readonly element: HTMLElement
  update(summary: Summary): void
  close(): void
} {
  const element = h('div', { class: 'statechart' })
  let numbers = new Map<string, SVGElement>()
  let last: Summary | null = null

  function draw(): void {
    const drawn = picture(narrow.matches ? NARROW : WIDE)
    numbers = drawn.numbers
    element.replaceChildren(drawn.element)
    if (last !== null) update(last)
  }

  function update(summary: Summary): void {
    last = summary
    for (const [state, number] of numbers) {
      const live = liveCount(state, summary)
      const text = live === null ? '' : count(live)
      if (number.textContent !== text) {
        setText(number, text)
        flash(number.parentElement)
      }
      number.parentElement?.classList.toggle('empty', live === 0)
      number.parentElement?.classList.toggle('busy', ROWS[state] === undefined && live !== null && live > 0)
    }
    element.firstElementChild?.setAttribute('aria-label', spoken(summary))
  }

  narrow.addEventListener('change', draw)
  draw()
  return { element, update, close: () => narrow.removeEventListener('change', draw) }
}

/** Actors of this daemon; where a row comes to rest, the rows of the table. Nothing rests in `released`. */
function liveCount(state: string, { counts, machine }: Summary): number | null {
  const status = ROWS[state]
  if (status !== undefined) return counts[status]
  return state === 'released' ? null : (machine[state] ?? 0)
}

function spoken(summary: Summary): string {
  const parts = WIDE.boxes.flatMap(({ state }) => {
    const live = liveCount(state, summary)
    return live === null ? [] : [`${state} ${count(live)}`]
  })
  return `The states of an attachment, and how many are in each: ${parts.join(', ')}.`
}

function picture(layout: Layout): { element: SVGElement; numbers: Map<string, SVGElement> } {
  const numbers = new Map<string, SVGElement>()
  const element = svg(
    'svg',
    {
      viewBox: `0 0 ${layout.width} ${layout.height}`,
      role: 'img',
      class: layout === NARROW ? 'narrow' : 'wide',
    },
    svg(
      'defs',
      {},
      svg(
        'marker',
        {
          id: 'head',
          viewBox: '0 0 8 8',
          refX: 7,
          refY: 4,
          markerWidth: 7,
          markerHeight: 7,
          orient: 'auto-start-reverse',
        },
        svg('path', { d: 'M0 0L8 4L0 8z', class: 'head' }),
      ),
    ),
    frame(layout.frame),
    ...layout.arrows.map(({ from, to, path }) =>
      svg('path', { d: path, class: 'arrow', 'marker-end': 'url(#head)', 'data-from': from, 'data-to': to }),
    ),
    ...layout.boxes.map(box => node(box, numbers)),
  )
  return { element, numbers }
}

function frame({ state, x, y, width, height }: Box): SVGElement {
  return svg(
    'g',
    { class: 'frame', 'data-state': state },
    svg('rect', { x, y, width, height, rx: 16 }),
    svg('text', { x: x + 16, y: y + 24 }, state),
  )
}

function node({ state, x, y, width, height }: Box, numbers: Map<string, SVGElement>): SVGElement {
  const middle = x + width / 2
  const low = height < 60
  const number = svg('text', { x: middle, y: y + height - (low ? 9 : 13), class: 'number' })
  numbers.set(state, number)
  return svg(
    'g',
    {
      class: ROWS[state] === undefined ? 'state' : `state rests ${state.toLowerCase()}`,
      'data-state': state,
    },
    svg('title', {}, WAYS[state] ?? 'rows of the table'),
    svg('rect', { x, y, width, height, rx: 12 }),
    svg(
      'text',
      { x: middle, y: state === 'released' ? y + height / 2 + 5 : y + (low ? 18 : 21), class: 'name' },
      state,
    ),
    number,
  )
}

function flash(element: Element | null): void {
  if (calm.matches) return
  element?.animate([{ strokeWidth: '4px' }, { strokeWidth: '1.5px' }], { duration: 700, easing: 'ease-out' })
}
