import { h } from './dom.ts'
import { circuitsText, count } from './format.ts'
import { card, empty, mark, timeAgo } from './parts.ts'
import type { Daemon, RealtimeState, Summary } from './wire.ts'

export function lanesCard({ busy, limit, claimed }: Summary['lanes']): HTMLElement {
  // A meter cannot be made of more parts than can be seen; CONCURRENCY is 8 unless set.
  const parts =
    limit <= 32
      ? Array.from({ length: limit }, (_, lane) => h('span', { class: lane < busy ? 'lane busy' : 'lane' }))
      : []
  return card(
    'Lanes',
    h('p', { class: 'big' }, `${count(busy)} of ${count(limit)}`, h('span', { class: 'aside' }, 'in use')),
    parts.length === 0 ? null : h('div', { class: 'lanes', 'aria-hidden': 'true' }, ...parts),
    h('p', { class: 'small' }, `${count(claimed)} claimed in all, with those that wait for a lane.`),
  )
}

export function realtimeCard({ hearing, cause, advice, announced, missed }: RealtimeState): HTMLElement {
  return card(
    'Realtime',
    h('p', { class: 'big' }, mark(hearing ? 'good' : 'wait', hearing ? 'hearing' : 'deaf')),
    cause === null ? null : h('p', { class: 'reason' }, cause.message),
    advice === null ? null : h('p', { class: 'advice' }, h('strong', {}, 'What to do '), advice),
    hearing
      ? null
      : h('p', { class: 'small' }, 'Files arrive all the same: the daemon asks the table every second.'),
    h(
      'p',
      { class: 'small' },
      `${count(announced)} rows were announced; ${missed === 0 ? 'none was missed' : `${count(missed)} missed and found by asking`}.`,
    ),
  )
}

export function daemonsCard(daemons: readonly Daemon[], own: string): HTMLElement {
  if (daemons.length === 0)
    return card('Daemons', empty('No daemon has reported yet', 'The first row comes with its first canary.'))
  const rows = daemons.map(daemon =>
    h(
      'tr',
      {},
      h(
        'td',
        { 'data-label': 'Daemon' },
        h(
          'span',
          {},
          h('code', {}, daemon.worker),
          daemon.worker === own ? h('span', { class: 'aside' }, 'this one') : null,
        ),
      ),
      h('td', { 'data-label': 'State' }, mark(toneOf(daemon), daemon.alive ? daemon.state : 'silent')),
      h('td', { 'data-label': 'Circuits' }, circuitsText(daemon.circuits)),
      h('td', { 'data-label': 'Version' }, daemon.version),
      h('td', { 'data-label': 'Last seen' }, timeAgo(daemon.last_seen)),
    ),
  )
  const titles = ['Daemon', 'State', 'Circuits', 'Version', 'Last seen']
  return card(
    'Daemons',
    h(
      'table',
      { class: 'table stacking' },
      h('thead', {}, h('tr', {}, ...titles.map(title => h('th', { scope: 'col' }, title)))),
      h('tbody', {}, ...rows),
    ),
  )
}

function toneOf({ alive, state }: Daemon): string {
  if (!alive) return 'bad'
  return state === 'running' ? 'good' : 'wait'
}
