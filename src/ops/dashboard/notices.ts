import { act } from './act.ts'
import { post } from './api.ts'
import { h, setText, show } from './dom.ts'
import { span } from './format.ts'
import type { Connection } from './live.ts'
import { timeAgo } from './parts.ts'
import type { Summary } from './wire.ts'

const WORDS: Readonly<Record<Connection['state'], string>> = {
  live: 'Live',
  connecting: 'Connecting',
  lost: 'Not connected',
}

export interface Notices {
  connection(now: Connection): void
  summary(summary: Summary): void
}

/** What stands above every page: whether this is live, whether the pipeline is paused, and the button for it. */
export function notices(tryNow: () => void): Notices {
  const place = element('#notices')
  const word = element('#connection')
  const pause = element('#pause')
  let last: Summary | null = null
  let connection: Connection = { state: 'connecting' }
  let lost = false

  pause.addEventListener('click', () => (last?.paused ? askResume() : askPause()))

  function draw(): void {
    const paused = last?.paused ?? null
    const version = last?.version
    show(place, [lost, paused, last?.stale, version], () => [
      lost ? lostNotice(tryNow, last) : null,
      last?.stale ? staleNotice(last.stale) : null,
      paused === null ? null : pausedNotice(paused),
    ])
    pause.hidden = last === null
    setText(pause, paused === null ? 'Pause' : 'Resume')
  }

  function say(): void {
    if (connection.state !== 'lost') return
    const wait = connection.retryAt - Date.now()
    const text = wait > 500 ? `Trying again in ${span(wait + 500)}.` : 'Trying again now.'
    const place = document.querySelector('#retry-in')
    if (place !== null) setText(place, text)
  }

  setInterval(say, 1_000)
  return {
    connection: now => {
      if (now.state === 'connecting' && lost) return
      connection = now
      lost = now.state === 'lost'
      document.documentElement.classList.toggle('lost', lost)
      word.className = `connection ${now.state}`
      setText(word, WORDS[now.state])
      draw()
      say()
    },
    summary: summary => {
      last = summary
      draw()
    },
  }
}

function lostNotice(tryNow: () => void, last: Summary | null): HTMLElement {
  return h(
    'div',
    { class: 'notice bad' },
    h(
      'p',
      {},
      h('strong', {}, 'The connection to the daemon is lost. '),
      last === null ? '' : 'What you see is from ',
      last === null ? null : timeAgo(last.now),
      last === null ? '' : '. ',
      h('span', { id: 'retry-in' }),
    ),
    h('button', { type: 'button', class: 'button', onclick: tryNow, 'data-focus': 'try' }, 'Try now'),
  )
}

function staleNotice({ read_at, error }: NonNullable<Summary['stale']>): HTMLElement {
  return h(
    'div',
    { class: 'notice wait' },
    h(
      'p',
      {},
      h('strong', {}, 'The database does not answer. '),
      'Its numbers are from ',
      timeAgo(read_at),
      `. ${error}`,
    ),
  )
}

function pausedNotice({ changed_by, reason, changed_at }: NonNullable<Summary['paused']>): HTMLElement {
  return h(
    'div',
    { class: 'notice wait' },
    h(
      'p',
      {},
      h('strong', {}, `Paused${changed_by === null ? '' : ` by ${changed_by}`} `),
      timeAgo(changed_at),
      reason === null || reason === '' ? '.' : `: ${reason}`,
    ),
    h('button', { type: 'button', class: 'button', onclick: askResume, 'data-focus': 'resume' }, 'Resume'),
  )
}

function askPause(): void {
  act(
    {
      title: 'Pause the pipeline?',
      text: 'No daemon claims anything until it is resumed. What is under way is finished, and no attempt is used up.',
      verb: 'Pause',
      field: { label: 'Reason, for whoever looks next', placeholder: 'moving the bucket' },
    },
    async reason => {
      await post('/api/pause', { reason })
      return 'Paused: nothing new is claimed until it is resumed.'
    },
  )
}

function askResume(): void {
  act(
    { title: 'Resume the pipeline?', text: 'The daemons claim what is due at once.', verb: 'Resume' },
    async () => {
      await post('/api/resume', {})
      return 'Resumed: what is due is claimed now.'
    },
  )
}

function element(selector: string): HTMLElement {
  const found = document.querySelector(selector)
  if (!(found instanceof HTMLElement)) throw new Error(`index.html lacks ${selector}`)
  return found
}
