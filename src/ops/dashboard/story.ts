import { bytes, plural, span, words } from './format.ts'
import type { StoryEvent } from './wire.ts'

export type Tone = 'good' | 'bad' | 'wait' | 'plain'

/** One line of an attachment's story, in plain words. */
export interface Line {
  readonly title: string
  readonly text: string
  readonly tone: Tone
}

/** An event that this table does not know is told by its own name; its detail is shown beside every line anyway. */
export function tell({ event, detail, worker }: StoryEvent): Line {
  const text = (name: string): string => (typeof detail[name] === 'string' ? String(detail[name]) : '')
  const number = (name: string): number | null =>
    typeof detail[name] === 'number' ? Number(detail[name]) : null
  const attempt = number('attempt')
  const limit = number('max_attempts')
  const counted =
    attempt === null ? '' : limit === null ? `Attempt ${attempt}. ` : `Attempt ${attempt} of ${limit}. `
  const why = text('error_message') || words(text('error_code'))

  switch (event) {
    case 'received':
      return line(
        'plain',
        'WhatsApp told us about it',
        'The webhook wrote the row; the file itself was not fetched yet.',
      )
    case 'uploaded': {
      const size = number('size_bytes')
      const checked =
        detail.verified === true
          ? 'Its SHA-256 is the one that WhatsApp declared.'
          : 'WhatsApp declared no hash to compare it with.'
      return line('good', 'It arrived', `${counted}${size === null ? '' : `${bytes(size)}. `}${checked}`)
    }
    case 'retry': {
      const wait = number('retry_in_ms')
      const next = wait === null ? '' : ` It is tried again after ${span(wait)}.`
      return line('wait', 'An attempt failed', `${counted}${sentence(why)}${next}`)
    }
    case 'failed':
      return line('bad', 'It failed for good', `${counted}${sentence(why)}`)
    case 'retried': {
      const before = number('upload_attempts')
      const spent =
        before === null ? '' : `${plural(before, 'attempt')} had been used; it has all of them again.`
      return line('plain', 'It begins anew', spent)
    }
    case 'retry_requested': {
      const by = text('changed_by')
      return line('plain', 'A retry was asked for', by === '' ? '' : `By: ${by}.`)
    }
    case 'refetch':
      return line(
        'wait',
        'Its object was not sound, so it is fetched again',
        sentence(words(text('problem'))),
      )
    case 'object_lost':
      return line(
        'bad',
        'Its object was not sound, and WhatsApp has it no more',
        sentence(words(text('problem'))),
      )
    case 'lease_lost': {
      const lost = number('lost_leases')
      const who = worker === null ? 'The daemon that had it' : `Daemon ${worker}`
      const nth = lost === null || lost < 2 ? '' : ` That was lease number ${lost}.`
      return line(
        'wait',
        'Its daemon stopped or fell silent',
        `${who} let the claim run out. No attempt was counted.${nth}`,
      )
    }
    case 'type_differs':
      return line(
        'plain',
        'The content is of another type',
        `Declared as ${text('declared') || 'nothing'}, it looks like ${text('found') || 'something else'}.`,
      )
    case 'found_stored':
      return line(
        'good',
        'It was in Storage already',
        'An earlier claim had stored it whole; it was not sent a second time.',
      )
    default:
      return line('plain', sentence(words(event)).replace(/\.$/, ''), why === '' ? '' : sentence(why))
  }
}

const line = (tone: Tone, title: string, text: string): Line => ({ tone, title, text })

function sentence(text: string): string {
  if (text === '') return ''
  const capital = text.slice(0, 1).toUpperCase() + text.slice(1)
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`
}
