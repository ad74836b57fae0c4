import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileTypeFromFile } from 'file-type'
import { request } from 'undici'
import { z } from 'zod'
import type { MediaKind } from '../attachment.ts'
import { describeError, UserError } from '../errors.ts'
import { PHONE_NUMBER_ID } from '../local/whatsapp/index.ts'
import { newMessageId, type OutgoingMessage, sendWebhook } from '../local/whatsapp/send.ts'
import { environment, readSettings, type Settings, supabaseOf } from '../settings.ts'
import { isLoopback } from '../settings-fields.ts'

export interface ReplayOptions {
  readonly kind: MediaKind
  /** Digits. */
  readonly from: string
  /** A file of one's own; a small sample of that kind when left out. */
  readonly file?: string
  readonly count: number
}

const KINDS: readonly MediaKind[] = ['image', 'video', 'audio', 'document', 'sticker']

/** The one kind that was named. Throws a UserError for none, or for several. */
export function kindOf(flags: Readonly<Record<string, unknown>>): MediaKind {
  const named = KINDS.filter(kind => flags[kind] === true)
  if (named.length === 1 && named[0] !== undefined) return named[0]
  throw new UserError(`Name one kind: ${KINDS.map(kind => `--${kind}`).join(', ')}.`)
}

/** Meta's limit for one POST is 1,000 messages and 3 MB. */
const MESSAGES_PER_POST = 500

/**
 * `mediaferry replay`: what happens when somebody sends a file. Leaves it with the WhatsApp simulator and delivers
 * the signed webhook to the project's function, `count` times, each a message of its own.
 */
export async function replay(options: ReplayOptions): Promise<void> {
  const settings = readSettings(environment(), ['supabase', 'webhook'])
  const url = `${supabaseOf(settings).url}/functions/v1/whatsapp-webhook`
  const [appSecret = ''] = settings.WHATSAPP_APP_SECRET ?? []
  for (let left = options.count; left > 0; left -= MESSAGES_PER_POST) {
    const page = Array.from({ length: Math.min(left, MESSAGES_PER_POST) }, () => leave(settings, options))
    const messages = await Promise.all(page)
    const { status, text } = await sendWebhook({ url, appSecret, phoneNumberId: PHONE_NUMBER_ID, messages })
    if (status !== 200) {
      throw new UserError(`The webhook answered ${status}: ${describeError(text.slice(0, 200))}`, {
        hint: 'Is the function deployed, and does it have the same WHATSAPP_APP_SECRET?',
      })
    }
    for (const { id } of messages) process.stdout.write(`${id}\n`)
  }
}

const kept = z.object({ id: z.string(), mimeType: z.string(), sha256: z.string() })

/** Puts the file on the simulator's shelf, as WhatsApp keeps what was sent, and answers the message that names it. */
async function leave(settings: Settings, { kind, from, file }: ReplayOptions): Promise<OutgoingMessage> {
  const door = new URL('/_simulator/media', settings.WHATSAPP_GRAPH_URL)
  if (!isLoopback(door.hostname)) {
    throw new UserError('replay needs the WhatsApp simulator: WHATSAPP_GRAPH_URL is not on this machine.', {
      hint: 'Start `mediaferry dev` and use its settings: `env $(cat .mediaferry/dev.env) …`',
    })
  }
  const { statusCode, body } = await request(door, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(file === undefined ? { sample: kind } : await described(file)),
  }).catch(cause => {
    throw new UserError(`The WhatsApp simulator cannot be reached: ${describeError(cause)}`, {
      hint: 'Start it with `mediaferry dev`.',
    })
  })
  if (statusCode !== 201)
    throw new UserError(`The WhatsApp simulator answered ${statusCode}: ${await body.text()}`)
  const media = kept.parse(await body.json())
  return {
    id: newMessageId(),
    from,
    timestamp: Math.floor(Date.now() / 1000),
    media: {
      kind,
      id: media.id,
      mimeType: media.mimeType,
      sha256: Buffer.from(media.sha256, 'hex').toString('base64'),
      ...(kind === 'audio' ? { voice: true } : {}),
      ...(kind === 'sticker' ? { animated: file === undefined } : {}),
      ...(kind === 'document' ? { fileName: file === undefined ? 'sample.pdf' : basename(file) } : {}),
    },
  }
}

async function described(file: string): Promise<{ file: string; mimeType: string }> {
  const path = resolve(file)
  if (!existsSync(path)) throw new UserError(`There is no file ${path}.`)
  return { file: path, mimeType: (await fileTypeFromFile(path))?.mime ?? 'application/octet-stream' }
}
