import { hash } from 'node:crypto'
import type { Random } from './random.ts'

/**
 * What is wrong with a file itself, whatever else works:
 *
 * none         nothing
 * gone         Meta has deleted it, or never knew it
 * expires      Meta deletes it at `expiresAt`
 * unsupported  Meta does not hand out its type
 * too_large    it is larger than MAX_FILE_SIZE
 * mismatch     other bytes than declared, `faults` times
 * error        a 500 for this file alone, `faults` times
 * refused      the media host refuses it, `faults` times
 * poison       whoever reads it dies
 */
export type ItemFault =
  | 'none'
  | 'gone'
  | 'expires'
  | 'unsupported'
  | 'too_large'
  | 'mismatch'
  | 'error'
  | 'refused'
  | 'poison'

/** With whom an attempt met trouble: the probe that could excuse it asks the same. */
export type Channel = 'graph' | 'media' | 'storage'

export interface Trouble {
  readonly at: number
  readonly channel: Channel
  readonly duringOutage: boolean
}

/** A file that somebody sent, and what the world knows about it that no daemon can know. */
export interface Item {
  readonly mediaId: string
  readonly messageId: string
  readonly bytes: Buffer
  readonly sha256: string
  readonly mimeType: string
  readonly fault: ItemFault
  /** How often the fault shows; Infinity for one that stays. */
  faults: number
  readonly sentAt: number
  /** Who names its hash. */
  readonly hashedBy: 'webhook' | 'graph' | 'nobody'
  /** The codes with which it may truly be FAILED. */
  readonly truths: Set<string>
  readonly troubles: Trouble[]
  attachment: number | null
}

const FAULTS = [
  'none',
  'none',
  'none',
  'none',
  'none',
  'none',
  'gone',
  'expires',
  'unsupported',
  'too_large',
  'mismatch',
  'error',
  'refused',
] as const
const TYPES = ['image/jpeg', 'image/png', 'application/pdf', 'audio/ogg; codecs=opus', 'text/plain'] as const
export const WEEK_MS = 7 * 86_400_000
/** Beyond what a copy gathers before it sends: such a file goes through as a stream. */
const LARGE = 513 * 1024

export function createItem(number: number, now: number, random: Random, poison: boolean): Item {
  const fault: ItemFault = poison ? 'poison' : random.pick(FAULTS)
  const size = random.chance(0.02) ? LARGE : random.between(0, 300)
  const bytes = Buffer.alloc(size, `file ${number} ${random.between(0, 1e9)} `)
  const passing = random.chance(0.5)
  return {
    mediaId: `media-${number}`,
    messageId: `wamid.${number}`,
    bytes,
    sha256: hash('sha256', bytes, 'hex'),
    mimeType: random.pick(TYPES),
    fault,
    faults: passing ? random.between(1, 2) : Number.POSITIVE_INFINITY,
    sentAt:
      fault === 'expires' ? now - WEEK_MS + random.between(0, 240_000) : now - random.between(0, 60_000),
    hashedBy:
      fault === 'mismatch'
        ? random.pick(['webhook', 'graph'])
        : random.pick(['webhook', 'webhook', 'graph', 'nobody']),
    truths: new Set(),
    troubles: [],
    attachment: null,
  }
}

/** True when the fault shows this time. */
export function shows(item: Item, fault: ItemFault): boolean {
  if (item.fault !== fault || item.faults <= 0) return false
  item.faults--
  return true
}
