import type { Arrived } from './integrity.ts'
import type { Storage } from './storage.ts'
import { TransferError } from './transfer-error.ts'

export interface UnclearUpload {
  readonly bucket: string
  readonly key: string
  /** What the object must be to count as this upload's; null when that is not known. */
  readonly sha256: string | null
  readonly signal: AbortSignal
}

/**
 * After an upload without a clear answer: a key that was taken may hold the very bytes, and after a transport
 * error or a 5xx the object may be there all the same. Returns what Storage holds when that is right. Otherwise
 * removes the key, which is this claim's own and no other's, and throws `error`, or that the key was taken.
 */
export async function storedAfterAll(
  storage: Storage,
  upload: UnclearUpload,
  error: unknown,
): Promise<Arrived> {
  const { bucket, key, sha256, signal } = upload
  // A stop must be quick, and where Storage is known to be out of order it is not asked again.
  if (signal.aborted || verdictOf(error) === 'interrupted') throw error
  if (sha256 !== null) {
    // Refused by name: nothing is unclear.
    if (error !== undefined && verdictOf(error) !== 'unattributed') throw error
    const found = await heldBytes(storage, upload).catch(() => 'unknown' as const)
    if (found === null || found === 'unknown') throw error ?? taken(key)
    if (found.sha256 === sha256) return found
  }
  // What stays behind when this fails is in nobody's way: the next claim has another key.
  await storage.removeObjects(bucket, [key], signal).catch(() => undefined)
  throw error ?? taken(key)
}

/** Null when the object is not there. `info` comes first: it is cheap, and absence is the common answer. */
async function heldBytes(storage: Storage, { bucket, key, signal }: UnclearUpload): Promise<Arrived | null> {
  const info = await storage.objectInfo(bucket, key, signal)
  return info === null ? null : storage.hashObject(bucket, key, signal)
}

const verdictOf = (error: unknown): string | undefined =>
  error instanceof TransferError ? error.failure.verdict : undefined

function taken(key: string): TransferError {
  return new TransferError({
    verdict: 'retry',
    code: 'storage_key_taken',
    message: `The key ${key} already held other bytes.`,
  })
}
