import type { Storage } from './storage.ts'

export interface WalkedObject {
  readonly key: string
  /** Bytes; null when Storage does not say. */
  readonly size: number | null
  /** ISO 8601; null when Storage does not say. */
  readonly createdAt: string | null
}

/** Storage gives at most so many entries a page. */
const PAGE = 1000

/**
 * Every object of a bucket, folder by folder, a page in memory at a time. Pages are counted from the start, as
 * Storage lists: what is removed meanwhile may hide others until the next walk, what is added may show one twice.
 */
export async function* walkObjects(
  storage: Pick<Storage, 'listObjects'>,
  bucket: string,
  signal: AbortSignal,
  folder = '',
): AsyncGenerator<WalkedObject> {
  for (let offset = 0; ; offset += PAGE) {
    const page = await storage.listObjects(bucket, folder, { search: '', limit: PAGE, offset }, signal)
    for (const { name, isFolder, size, createdAt } of page) {
      const key = folder === '' ? name : `${folder}/${name}`
      if (isFolder) yield* walkObjects(storage, bucket, signal, key)
      else yield { key, size, createdAt }
    }
    if (page.length < PAGE) return
  }
}
