import type { OutgoingMedia } from '../../supabase/functions/whatsapp-webhook/compose.ts'
import type { MediaKind } from '../attachment.ts'
import { describeError, UserError } from '../errors.ts'
import { PHONE_NUMBER_ID } from '../local/whatsapp/index.ts'
import { newMessageId, sendWebhook } from '../local/whatsapp/send.ts'
import { environment, readSettings, type Settings, supabaseOf } from '../settings.ts'
import { address, isLoopback } from '../settings-fields.ts'
import { asTyped } from './called.ts'
import { announceOnly, leaveWithSimulator, type Sending } from './replay/media.ts'

export interface ReplayOptions extends Sending {
  /** Digits. */
  readonly from: string
  readonly count: number
  /** A webhook that is deployed. */
  readonly url?: string
  /** The business's number at Meta. */
  readonly phoneNumberId?: string
}

const KINDS: readonly MediaKind[] = ['image', 'video', 'audio', 'document', 'sticker']
const WITH_CAPTION: readonly MediaKind[] = ['image', 'video', 'document']

/** The one kind that was named. Throws a UserError for none, or for several. */
export function kindOf(flags: Readonly<Record<string, unknown>>): MediaKind {
  const named = KINDS.filter(kind => flags[kind] === true)
  if (named.length === 1 && named[0] !== undefined) return named[0]
  throw new UserError(`Name one kind: ${KINDS.map(kind => `--${kind}`).join(', ')}.`)
}

/** Meta's limit for one POST is 1,000 messages and 3 MB. */
const MESSAGES_PER_POST = 500

/**
 * `mediaferry replay`: what happens when somebody sends a file. Delivers the signed webhook, `count` times, each a
 * message of its own; with the simulator of `mediaferry dev` the file is left there first and arrives in Storage.
 */
export async function replay(options: ReplayOptions): Promise<void> {
  if (options.caption !== undefined && !WITH_CAPTION.includes(options.kind)) {
    throw new UserError(`WhatsApp has no caption for ${options.kind}: leave --caption out.`)
  }
  const settings = readSettings(
    environment(),
    options.url === undefined ? ['supabase', 'webhook'] : ['webhook'],
  )
  const { url, phoneNumberId, media } = wayOf(settings, options)
  const [appSecret = ''] = settings.WHATSAPP_APP_SECRET ?? []
  for (let left = options.count; left > 0; left -= MESSAGES_PER_POST) {
    const page = Array.from({ length: Math.min(left, MESSAGES_PER_POST) }, async () => ({
      id: newMessageId(),
      from: options.from,
      timestamp: Math.floor(Date.now() / 1000),
      media: await media(),
    }))
    const messages = await Promise.all(page)
    const { status, text } = await sendWebhook({ url, appSecret, phoneNumberId, messages }).catch(cause => {
      const hint =
        options.url === undefined
          ? 'Is the project running, and SUPABASE_URL right? `mediaferry doctor` looks.'
          : 'Look at the address after --url, and at the network of this machine.'
      throw new UserError(`The webhook cannot be reached: ${describeError(cause)}`, { hint, cause })
    })
    if (status !== 200) {
      throw new UserError(`The webhook answered ${status}: ${describeError(text.slice(0, 200))}`, {
        hint: 'Is the function deployed, and does it have the same WHATSAPP_APP_SECRET? `mediaferry doctor` looks.',
      })
    }
    for (const { id } of messages) process.stdout.write(`${id}\n`)
  }
  process.stderr.write(asTyped('Sent; see it with `mediaferry status`\n'))
}

interface Way {
  readonly url: string
  readonly phoneNumberId: string
  readonly media: () => Promise<OutgoingMedia>
}

function wayOf(settings: Settings, options: ReplayOptions): Way {
  const url = options.url ?? `${supabaseOf(settings).url}/functions/v1/whatsapp-webhook`
  if (!address.safeParse(url).success)
    throw new UserError('--url must be the https:// address of the function.')
  const graphUrl = settings.WHATSAPP_GRAPH_URL
  if (isLoopback(new URL(graphUrl).hostname)) {
    const phoneNumberId = options.phoneNumberId ?? PHONE_NUMBER_ID
    return { url, phoneNumberId, media: () => leaveWithSimulator(graphUrl, options) }
  }
  if (options.url === undefined) {
    throw new UserError('replay needs the WhatsApp simulator: WHATSAPP_GRAPH_URL is not on this machine.', {
      hint: 'Start `mediaferry dev` and use its settings (`env $(cat .mediaferry/dev.env) …`); or name a deployed function with --url.',
    })
  }
  if (options.phoneNumberId === undefined) {
    throw new UserError('A deployed function needs --phone-number-id: the id of your own number.', {
      hint: "Meta's app dashboard, WhatsApp, API Setup. With a foreign one, the daemon would take the token for blind and stop.",
    })
  }
  process.stderr.write(
    'WhatsApp has no such file, so it cannot arrive: the row is taken in, tried once and ends FAILED as media_gone.\n' +
      'It shows that signature, function, database, daemon and token work.\n',
  )
  return { url, phoneNumberId: options.phoneNumberId, media: () => announceOnly(options) }
}
