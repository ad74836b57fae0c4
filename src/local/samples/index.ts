import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { MediaKind } from '../../attachment.ts'
import { withComment } from './jpeg.ts'
import { photoAlbum } from './pdf.ts'
import { fromFile, fromPieces, generated, type MediaSource } from './source.ts'
import { TAR_OVERHEAD, tarOf } from './tar.ts'

/** A file as somebody would send it on WhatsApp. What its kind does not have is null. */
export interface Sample {
  /** For people: "JPEG photograph". */
  readonly label: string
  readonly kind: MediaKind
  readonly mimeType: string
  /** Documents only. */
  readonly fileName: string | null
  readonly caption: string | null
  /** Audio only. */
  readonly voice: boolean | null
  /** Stickers only. */
  readonly animated: boolean | null
  readonly source: MediaSource
}

/** WhatsApp's limit for what it takes in: 100 MB of 2^20 bytes. */
export const LARGEST_DOCUMENT = 100 * 2 ** 20

const ALBUM_PAGES = 48

/** A small real file of that kind. */
export function sampleOf(kind: MediaKind): Promise<Sample> {
  return SAMPLES[kind]()
}

/** One file of each sort, among them a PDF of about 5 MB and a document of exactly 100 MB. */
export function demoSet(): Promise<Sample[]> {
  return Promise.all([
    SAMPLES.image(),
    picture(),
    SAMPLES.video(),
    SAMPLES.audio(),
    SAMPLES.document(),
    SAMPLES.sticker(),
    largest(),
  ])
}

/** `count` photographs of about 100 KB, no two with the same bytes, and the same ones every time. */
export async function burst(count = 200): Promise<Sample[]> {
  const jpeg = await readFile(pathOf('photo.jpg'))
  return Array.from({ length: count }, (_, index) =>
    sample({
      label: `photograph ${index + 1}`,
      kind: 'image',
      mimeType: 'image/jpeg',
      caption: `Cup ${index + 1} of ${count}`,
      source: fromPieces(withComment(jpeg, `Cup ${index + 1}`)),
    }),
  )
}

const SAMPLES: Readonly<Record<MediaKind, () => Promise<Sample>>> = {
  image: async () =>
    sample({
      label: 'JPEG photograph',
      kind: 'image',
      mimeType: 'image/jpeg',
      caption: 'Is this the cup you mean?',
      source: await fromFile(pathOf('photo.jpg')),
    }),
  video: async () =>
    sample({
      label: 'MP4 video',
      kind: 'video',
      mimeType: 'video/mp4',
      caption: 'A closer look ☕',
      source: await fromFile(pathOf('video.mp4')),
    }),
  audio: async () =>
    sample({
      label: 'OGG/Opus voice note',
      kind: 'audio',
      mimeType: 'audio/ogg; codecs=opus',
      voice: true,
      source: await fromFile(pathOf('voice.ogg')),
    }),
  document: async () =>
    sample({
      label: 'PDF document',
      kind: 'document',
      mimeType: 'application/pdf',
      fileName: 'Angebot für 200 Tassen.pdf',
      caption: 'The offer, with pictures',
      source: photoAlbum(await readFile(pathOf('photo.jpg')), ALBUM_PAGES),
    }),
  sticker: async () =>
    sample({
      label: 'animated WebP sticker',
      kind: 'sticker',
      mimeType: 'image/webp',
      animated: true,
      source: await fromFile(pathOf('sticker.webp')),
    }),
}

async function picture(): Promise<Sample> {
  return sample({
    label: 'PNG picture',
    kind: 'image',
    mimeType: 'image/png',
    source: await fromFile(pathOf('picture.png')),
  })
}

async function largest(): Promise<Sample> {
  return sample({
    label: 'document of 100 MB',
    kind: 'document',
    mimeType: 'application/x-tar',
    fileName: 'recordings.tar',
    source: tarOf('recordings.bin', generated('recordings', LARGEST_DOCUMENT - TAR_OVERHEAD)),
  })
}

function sample(given: Pick<Sample, 'label' | 'kind' | 'mimeType' | 'source'> & Partial<Sample>): Sample {
  return { fileName: null, caption: null, voice: null, animated: null, ...given }
}

function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
