import { get } from './api.ts'
import { activityCharts } from './charts.ts'
import { circuitCards } from './circuits.ts'
import { h, setText, show } from './dom.ts'
import { count, plural, STATUS_WORDS, STATUSES } from './format.ts'
import { statusIcon } from './icons.ts'
import { daemonsCard, lanesCard, realtimeCard } from './machinery.ts'
import { heading, timeAgo } from './parts.ts'
import { attachmentsHash } from './route.ts'
import { statechart } from './statechart.ts'
import { verdict } from './verdict.ts'
import type { View } from './view.ts'
import type { Activity, Summary } from './wire.ts'

const ACTIVITY_MS = 15_000

/** The first page: is all well, and if not, what is it and what to do. */
export function nowView(): View {
  const charts = activityCharts()
  const chart = statechart()
  const head = h('div', { class: 'verdict' })
  const facts = h('dl', { class: 'facts' })
  const circuits = h('div', { class: 'circuits' })
  const lanes = h('div', { class: 'slot' })
  const realtime = h('div', { class: 'slot' })
  const daemons = h('div', { class: 'slot' })
  const tiles = STATUSES.map(statusTile)
  const element = h(
    'div',
    { class: 'page now' },
    heading('Now'),
    head,
    h('div', { class: 'tiles' }, ...tiles.map(tile => tile.element)),
    facts,
    h('h2', { class: 'section' }, 'What it needs'),
    circuits,
    h('div', { class: 'pair' }, ...charts.elements),
    h(
      'section',
      { class: 'card' },
      h(
        'h2',
        {},
        'Where files are',
        h('span', { class: 'aside' }, 'in this daemon; with all rows where they rest'),
      ),
      chart.element,
    ),
    h('div', { class: 'pair' }, lanes, realtime),
    daemons,
  )
  const closed = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined

  async function loadActivity(): Promise<void> {
    try {
      const { minutes } = await get<Activity>('/api/activity', closed.signal)
      charts.update(minutes)
    } catch {
      // The head of the page says that the connection is gone; the next round asks again.
    }
    if (!closed.signal.aborted) timer = setTimeout(loadActivity, ACTIVITY_MS)
  }
  void loadActivity()

  return {
    title: 'Now',
    element,
    update: summary => {
      const said = verdict(summary)
      show(head, said, () => [
        h('p', { class: `verdict-title ${said.tone}` }, said.title),
        ...said.lines.map(line => h('p', { class: 'verdict-line' }, line)),
      ])
      for (const tile of tiles) tile.update(summary)
      show(facts, factsKey(summary), () => factsOf(summary))
      show(circuits, summary.circuits, () => circuitCards(summary.circuits))
      chart.update(summary)
      show(lanes, summary.lanes, () => [lanesCard(summary.lanes)])
      show(realtime, summary.realtime, () => [realtimeCard(summary.realtime)])
      show(daemons, summary.daemons, () => [daemonsCard(summary.daemons, summary.worker)])
    },
    close: () => {
      closed.abort()
      clearTimeout(timer)
      charts.close()
      chart.close()
    },
  }
}

function statusTile(status: (typeof STATUSES)[number]) {
  const number = h('span', { class: 'tile-number' }, '–')
  const element = h(
    'a',
    { class: `tile ${status.toLowerCase()}`, href: attachmentsHash({ status }) },
    h('span', { class: 'tile-name' }, statusIcon(status), STATUS_WORDS[status]),
    number,
  )
  return { element, update: (summary: Summary) => setText(number, count(summary.counts[status])) }
}

const factsKey = ({ due, oldest_due_at, expiring_24h, rejected }: Summary) => [
  due,
  oldest_due_at,
  expiring_24h,
  rejected,
]

function factsOf({ due, oldest_due_at, expiring_24h, rejected }: Summary): readonly HTMLElement[] {
  return [
    fact('Due now', count(due)),
    fact('Oldest waiting', oldest_due_at === null ? 'none' : timeAgo(oldest_due_at)),
    fact(
      'Meta deletes within 24 h',
      expiring_24h === 0 ? 'none' : plural(expiring_24h, 'file'),
      expiring_24h > 0,
    ),
    fact(
      'Not understood',
      rejected === 0
        ? 'none'
        : h('a', { href: '#/rejected', 'data-focus': 'rejected' }, plural(rejected, 'payload')),
      rejected > 0,
    ),
  ]
}

function fact(name: string, value: string | Node, alarming = false): HTMLElement {
  return h('div', { class: alarming ? 'fact alarming' : 'fact' }, h('dt', {}, name), h('dd', {}, value))
}
