import { h } from './dom.ts'
import { circuitWord, plural, serviceName, words } from './format.ts'
import { mark, timeAgo } from './parts.ts'
import type { Circuit } from './wire.ts'

const TONES: Readonly<Record<string, string>> = { closed: 'good', open: 'bad' }

/** Each service that the daemon needs: whether it may be asked, and if not why and what to do. */
export function circuitCards(circuits: readonly Circuit[]): readonly HTMLElement[] {
  const worstFirst = circuits.toSorted((a, b) => Number(a.state === 'closed') - Number(b.state === 'closed'))
  return worstFirst.map(circuit => {
    const tone = TONES[circuit.state] ?? 'wait'
    const text = circuitWord(circuit.state)
    const head = h(
      'div',
      { class: 'circuit-head' },
      h('h3', {}, serviceName(circuit.dependency)),
      mark(tone, text),
    )
    if (circuit.state === 'closed') return h('section', { class: 'card circuit' }, head)
    return h(
      'section',
      { class: `card circuit ${tone}` },
      head,
      circuit.reason === null ? null : h('p', { class: 'reason' }, circuit.reason),
      circuit.advice === null
        ? null
        : h('p', { class: 'advice' }, h('strong', {}, 'What to do '), circuit.advice),
      h(
        'p',
        { class: 'small' },
        circuit.code === null ? '' : `${words(circuit.code)}, `,
        circuit.since === null ? 'since a moment' : 'since ',
        circuit.since === null ? null : timeAgo(circuit.since),
        `; ${circuit.probes === 0 ? 'not asked again yet' : `asked again ${plural(circuit.probes, 'time')}`}`,
      ),
    )
  })
}
