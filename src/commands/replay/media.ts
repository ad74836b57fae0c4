import { createHash, randomBytes, randomInt } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileTypeFromFile } from 'file-type'
import { request } from 'undici'
import { z } from 'zod'
import type { OutgoingMedia } from '../../../supabase/functions/whatsapp-webhook/compose.ts'
import type { MediaKind } from '../../attachment.ts'
import { describeError, UserError } from '../../errors.ts'

/** What is to be sent: a file of one's own, or a small sample of that kind. */
export interface Sending {
  readonly kind: MediaKind
  readonly file?: string
  readonly caption?: string
}

const kept = z.object({ id: z.string(), mimeType: z.string(), sha256: z.string() })

/** Puts the file on the simulator's shelf, as WhatsApp keeps what was sent. Throws a UserError when it does not answer. */
export async function leaveWithSimulator(graphUrl: string, sending: Sending): Promise<OutgoingMedia> {
  const { kind, file } = sending
  const described =
    file === undefined ? { sample: kind } : { file: pathOf(file), mimeType: await typeOf(pathOf(file)) }
  const { statusCode, body } = await request(new URL('/_simulator/media', graphUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(described),
  }).catch(cause => {
    throw new UserError(`The WhatsApp simulator cannot be reached: ${describeError(cause)}`, {
      hint: 'Start it with `mediaferry dev`.',
    })
  })
  if (statusCode !== 201) {
    const said = describeError((await body.text()).slice(0, 200))
    throw new UserError(`The WhatsApp simulator answered ${statusCode}: ${said}`, {
      hint: 'Is WHATSAPP_GRAPH_URL that of `mediaferry dev`, and of this version? Stop it and start it again.',
    })
  }
  const { id, mimeType, sha256 } = kept.parse(await body.json())
  return mediaOf(sending, id, mimeType, Buffer.from(sha256, 'hex'))
}

const TYPES: Readonly<Record<MediaKind, string>> = {
  image: 'image/jpeg',
  video: 'video/mp4',
  audio: 'audio/ogg; codecs=opus',
  document: 'application/pdf',
  sticker: 'image/webp',
}

/** As WhatsApp would announce it, under an id in Meta's form that names nothing: only Meta can put files there. */
export async function announceOnly(sending: Sending): Promise<OutgoingMedia> {
  const id = `9${String(randomInt(1e14)).padStart(14, '0')}`
  if (sending.file === undefined) return mediaOf(sending, id, TYPES[sending.kind], randomBytes(32))
  const path = pathOf(sending.file)
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return mediaOf(sending, id, await typeOf(path), hash.digest())
}

function mediaOf(
  { kind, file, caption }: Sending,
  id: string,
  mimeType: string,
  sha256: Buffer,
): OutgoingMedia {
  return {
    kind,
    id,
    mimeType,
    sha256: sha256.toString('base64'),
    ...(caption === undefined ? {} : { caption }),
    ...(kind === 'audio' ? { voice: true } : {}),
    ...(kind === 'sticker' ? { animated: file === undefined } : {}),
    ...(kind === 'document' ? { fileName: file === undefined ? 'sample.pdf' : basename(file) } : {}),
  }
}

function pathOf(file: string): string {
  const path = resolve(file)
  if (existsSync(path)) return path
  throw new UserError(`There is no file ${path}.`)
}

const typeOf = async (path: string): Promise<string> =>
  (await fileTypeFromFile(path))?.mime ?? 'application/octet-stream'
