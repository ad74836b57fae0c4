import { act } from './act.ts'
import { explain, get, post } from './api.ts'
import { h, show } from './dom.ts'
import { count, plural } from './format.ts'
import { empty, heading } from './parts.ts'
import { attachmentsHash } from './route.ts'
import type { View } from './view.ts'
import type { FailureGroup, Failures } from './wire.ts'

/** What failed for good, by reason: mend the reason, then retry all of them at once. */
export function failuresView(): View {
  const fault = h('p', { class: 'fault', role: 'alert' })
  const groups = h('div', { class: 'groups' })
  const element = h('div', { class: 'page' }, heading('Failures'), fault, groups)
  const closed = new AbortController()
  let failed = -1

  async function load(): Promise<void> {
    try {
      const { codes } = await get<Failures>('/api/failures', closed.signal)
      fault.replaceChildren()
      show(groups, codes, () =>
        codes.length === 0
          ? [
              empty(
                'Nothing has failed',
                'A file that cannot be carried stands here, with the reason and what to do.',
              ),
            ]
          : codes.map(group => groupCard(group, load)),
      )
    } catch (error) {
      if (!closed.signal.aborted) fault.replaceChildren(explain(error))
    }
  }

  void load()
  return {
    title: 'Failures',
    element,
    update: ({ counts }) => {
      if (counts.FAILED === failed) return
      const first = failed === -1
      failed = counts.FAILED
      if (!first) void load()
    },
    close: () => closed.abort(),
  }
}

function groupCard(
  { code, count: size, title, explanation, advice, retryable }: FailureGroup,
  reload: () => Promise<void>,
): HTMLElement {
  const files = plural(size, 'file')
  const retry = h(
    'button',
    { type: 'button', class: 'button primary', 'data-focus': `retry-${code}` },
    size === 1 ? 'Retry this one' : `Retry all ${count(size)}`,
  )
  retry.addEventListener('click', () =>
    act(
      {
        title: `Try ${size === 1 ? 'this file' : `all ${files}`} again?`,
        text: `${title}. They become due at once, with all their attempts. Mend the reason first, or they fail again.`,
        verb: 'Retry',
      },
      async () => {
        const { retried } = await post<{ retried: number }>('/api/retry', { code })
        await reload()
        return retried === 0
          ? 'Nothing was left to try again.'
          : `${plural(retried, 'file is', 'files are')} tried again now.`
      },
    ),
  )
  return h(
    'section',
    { class: 'card group' },
    h(
      'div',
      { class: 'group-head' },
      h('p', { class: 'group-count' }, count(size)),
      h('div', {}, h('h2', {}, title), h('code', { class: 'small' }, code)),
    ),
    h('p', {}, explanation),
    h('p', { class: 'advice' }, h('strong', {}, 'What to do '), advice),
    h(
      'div',
      { class: 'buttons' },
      h(
        'a',
        {
          class: 'button',
          href: attachmentsHash({ status: 'FAILED', error: code }),
          'data-focus': `see-${code}`,
        },
        `See ${size === 1 ? 'it' : 'them'}`,
      ),
      retryable ? retry : null,
    ),
  )
}
