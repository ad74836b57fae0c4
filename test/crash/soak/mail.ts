import type { OutgoingMessage } from '../../../supabase/functions/whatsapp-webhook/compose.ts'
import type { Random } from '../../simulation/random.ts'
import type { TestProject } from '../../support/project.ts'

/** How a message must end: what its file does to whoever fetches it decides, and no kill. */
export interface Expected {
  readonly status: 'UPLOADED' | 'FAILED'
  readonly code: string | null
  /** Both included. A fault that WhatsApp shows once may hit a daemon that is killed before it can count it. */
  readonly attempts: readonly [least: number, most: number]
}

export interface Posted {
  readonly message: OutgoingMessage
  readonly expected: Expected
}

export const MAX_ATTEMPTS = 5

const HEALTHY: Expected = { status: 'UPLOADED', code: null, attempts: [1, 1] }
const ONCE: Expected = { status: 'UPLOADED', code: null, attempts: [1, 2] }
const NEVER: Expected = { status: 'FAILED', code: 'integrity', attempts: [MAX_ATTEMPTS, MAX_ATTEMPTS] }
const GONE: Expected = { status: 'FAILED', code: 'media_gone', attempts: [1, 1] }

interface Trouble {
  readonly share: number
  readonly expected: Expected
  readonly rule: (size: number) => Readonly<Record<string, unknown>>
}

/** Most files are sound. A quarter takes a second to arrive, so that kills find them half way. */
const TROUBLES: readonly Trouble[] = [
  {
    share: 0.25,
    expected: HEALTHY,
    rule: size => ({ on: 'media', fault: 'slow', bytesPerSecond: size + 1 }),
  },
  { share: 0.1, expected: HEALTHY, rule: () => ({ on: 'graph', fault: 'delay', ms: 300 }) },
  { share: 0.04, expected: ONCE, rule: () => ({ on: 'media', fault: 'cut', afterBytes: 1000, times: 1 }) },
  { share: 0.04, expected: ONCE, rule: () => ({ on: 'media', fault: 'wrong_hash', times: 1 }) },
  { share: 0.01, expected: NEVER, rule: () => ({ on: 'media', fault: 'wrong_hash' }) },
  {
    share: 0.02,
    expected: GONE,
    rule: () => ({ on: 'graph', only: 'media', fault: 'error', code: 100, subcode: 33 }),
  },
]

/** Leaves a file that no other has with WhatsApp, sometimes with a fault of its own. Not delivered yet. */
export async function write(project: TestProject, random: Random): Promise<Posted> {
  const size = random.chance(0.1) ? 2 * 2 ** 20 : random.between(1, 400_000)
  const seed = `${random.next()}`
  const message = await project.message('document', {
    media: { seed, size, mimeType: 'application/pdf' },
    from: `1555000${random.between(1000, 1019)}`,
  })
  let draw = random.next()
  for (const { share, expected, rule } of TROUBLES) {
    draw -= share
    if (draw >= 0) continue
    await project.control('POST', 'faults', { ...rule(size), mediaId: message.media.id })
    return { message, expected }
  }
  return { message, expected: HEALTHY }
}
