import { randomInt } from 'node:crypto'
import { type MediaSource, sha256Of } from '../samples/source.ts'

/** A file that somebody sent and that WhatsApp keeps. */
export interface MediaItem {
  readonly id: string
  readonly mimeType: string
  /** 64 hex digits, as the media endpoint has it; a webhook carries the same in base64. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
  readonly source: MediaSource
  /** Milliseconds since 1970. Meta keeps a file for seven days. */
  readonly uploadedAt: number
  /** How often Graph was asked for it, and how often all of its bytes went out. */
  resolved: number
  downloaded: number
}

export interface NewMedia {
  readonly source: MediaSource
  readonly mimeType: string
  /** A media id of one's own; otherwise one like Meta's, 16 digits. */
  readonly id?: string
  /** Defaults to now. */
  readonly uploadedAt?: number
}

export interface MediaShelf {
  /** Hashes the file in one streaming pass and keeps it. Rejects an id that is taken. */
  add(media: NewMedia): Promise<MediaItem>
  /** Undefined when it was never there, was forgotten, or is older than seven days. */
  get(id: string): MediaItem | undefined
  /** As if Meta had deleted it. True when it was there. */
  forget(id: string): boolean
  list(): MediaItem[]
}

const KEPT_MS = 7 * 24 * 60 * 60 * 1000

export function createMediaShelf(now: () => number): MediaShelf {
  const items = new Map<string, MediaItem>()

  return {
    async add({ source, mimeType, id = newId(items), uploadedAt = now() }) {
      const sha256 = await sha256Of(source)
      if (items.has(id)) throw new RangeError(`media id ${id} is taken`)
      const item = { id, mimeType, sha256, size: source.size, source, uploadedAt, resolved: 0, downloaded: 0 }
      items.set(id, item)
      return item
    },
    get(id) {
      const item = items.get(id)
      return item !== undefined && now() < item.uploadedAt + KEPT_MS ? item : undefined
    },
    forget: id => items.delete(id),
    list: () => [...items.values()],
  }
}

function newId(taken: ReadonlyMap<string, unknown>): string {
  for (;;) {
    const id = `${randomInt(1e8, 1e9)}${randomInt(1e6, 1e7)}`
    if (!taken.has(id)) return id
  }
}
