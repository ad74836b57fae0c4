import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export interface MediaLinks {
  /** Path and query of a link to a file that expires `lifetimeMs` from now, rounded up to a whole second. */
  make(mediaId: string): string
  /** What a link says; `valid` is false for a forged, a mutilated and an expired one. */
  read(query: URLSearchParams): { mediaId: string | null; valid: boolean }
}

/**
 * Links as Meta's media host has them: the media id, `ext` (unix seconds of the expiry) and a hash that
 * nobody can guess, here an HMAC under a key that lives as long as the simulator does.
 */
export function createMediaLinks(path: string, now: () => number, lifetimeMs: number): MediaLinks {
  const key = randomBytes(32)
  const hashOf = (mediaId: string, ext: string) =>
    createHmac('sha256', key).update(`${mediaId} ${ext}`).digest('base64url')

  return {
    make(mediaId) {
      const ext = String(Math.ceil((now() + lifetimeMs) / 1000))
      const query = new URLSearchParams({ mid: mediaId, source: 'getMedia', ext, hash: hashOf(mediaId, ext) })
      return `${path}?${query}`
    },
    read(query) {
      const mediaId = query.get('mid')
      const ext = query.get('ext')
      const hash = query.get('hash')
      if (mediaId === null || ext === null || hash === null) return { mediaId, valid: false }
      const unexpired = now() < Number(ext) * 1000
      return { mediaId, valid: unexpired && same(hash, hashOf(mediaId, ext)) }
    },
  }
}

function same(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}
