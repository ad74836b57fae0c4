import type { StoredFile } from '../../database/upkeep.ts'
import type { Storage } from '../../transfer/storage.ts'
import { TransferError } from '../../transfer/transfer-error.ts'

/** What is wrong with a row's object; `text` is for people. */
export interface Fault {
  readonly problem: 'missing' | 'size' | 'bytes' | 'unreadable'
  readonly text: string
}

/**
 * Compares an object with its row: whether it is there and its size, `deep` also every byte, by its hash. Null when
 * all is well. Throws what keeps Storage from answering.
 */
export async function checkObject(
  storage: Pick<Storage, 'objectInfo' | 'hashObject'>,
  file: StoredFile,
  deep: boolean,
  signal: AbortSignal,
): Promise<Fault | null> {
  try {
    const { bucket, object_key: key } = file
    if (key === null) return null
    if (deep) return judge(file, await storage.hashObject(bucket, key, signal))
    return judge(file, await storage.objectInfo(bucket, key, signal))
  } catch (error) {
    // The row's own fault, a key that cannot be asked for; everything else is a Storage that does not answer.
    if (!(error instanceof TransferError) || error.failure.verdict !== 'fail') throw error
    return { problem: 'unreadable', text: error.message }
  }
}

interface Found {
  /** Null when Storage does not say. */
  readonly size: number | null
  readonly sha256?: string
}

function judge(file: Pick<StoredFile, 'size_bytes' | 'sha256'>, found: Found | null): Fault | null {
  if (found === null) return { problem: 'missing', text: 'not in Storage' }
  if (found.size !== null && found.size !== file.size_bytes) {
    return { problem: 'size', text: `${found.size} bytes in place of ${file.size_bytes}` }
  }
  if (found.sha256 !== undefined && found.sha256 !== file.sha256) {
    return { problem: 'bytes', text: 'other bytes than were stored' }
  }
  return null
}
