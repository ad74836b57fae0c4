import { randomUUID } from 'node:crypto'
import type { Storage } from './storage.ts'
import { storageProbeFailure } from './storage-errors.ts'
import { TransferError } from './transfer-error.ts'

const CONTENT = Buffer.from('mediaferry writes and removes this to see whether Storage works.\n')

/**
 * The neutral probe of Storage: reads the bucket, writes a small object under `.probe/` and removes it. Throws
 * a TransferError that is always `interrupted`, since no attachment takes part.
 */
export async function probeStorage(storage: Storage, bucket: string, signal: AbortSignal): Promise<void> {
  const key = `.probe/${randomUUID()}.bin`
  try {
    await storage.readBucket(bucket, signal)
    const upload = {
      bucket,
      key,
      contentType: 'application/octet-stream',
      body: CONTENT,
      length: CONTENT.length,
    }
    await storage.upload(upload, signal)
    await storage.removeObjects(bucket, [key], signal)
  } catch (error) {
    if (error instanceof TransferError && error.failure.code !== 'stopped') throw storageProbeFailure(error)
    throw error
  }
}
