import type { Arrived } from './integrity.ts'
import type { Storage } from './storage.ts'
import { TransferError } from './transfer-error.ts'

export interface UnclearUpload {
  readonly bucket: string
  readonly key: string
  /** What was sent; undefined when not all of it was, and a cut upload leaves nothing visible. */
  readonly arrived: Arrived | undefined
  readonly signal: AbortSignal
}

/**
 * An upload that got no clear answer: after a transport error or a 5xx the object may be there all the same,
 * and a key that was taken may hold the very bytes. Returns when Storage holds exactly what was sent;
 * otherwise removes the key, which is this claim's own and no other's, and throws `error`, or that the key is
 * taken by other bytes.
 */
export async function storedAfterAll(storage: Storage, upload: UnclearUpload, error: unknown): Promise<void> {
  const { bucket, key, arrived, signal } = upload
  // Aborted, or refused by name: nothing is unclear, and a stop must be quick.
  if (signal.aborted) throw error
  if (arrived === undefined) {
    await removeQuietly(storage, upload)
    throw error
  }
  if (error !== undefined && !isUnclear(error)) throw error
  try {
    const info = await storage.objectInfo(bucket, key, signal)
    if (info === null) throw error ?? taken(key)
    if (info.size === null || info.size === arrived.size) {
      const there = await storage.hashObject(bucket, key, signal)
      if (there?.sha256 === arrived.sha256) return
    }
  } catch (second) {
    // Storage cannot even be asked: the upload's own error says more.
    throw error ?? second
  }
  await removeQuietly(storage, upload)
  throw error ?? taken(key)
}

/** What stays behind when this fails is found by `verify --orphans`; the next claim has another key. */
async function removeQuietly(storage: Storage, { bucket, key, signal }: UnclearUpload): Promise<void> {
  await storage.removeObjects(bucket, [key], signal).catch(() => undefined)
}

const isUnclear = (error: unknown): boolean =>
  error instanceof TransferError && error.failure.verdict === 'unattributed'

function taken(key: string): TransferError {
  return new TransferError({
    verdict: 'retry',
    code: 'storage_key_taken',
    message: `The key ${key} already held other bytes.`,
  })
}
