import type { Claim, StoredObject } from '../attachment.ts'
import { essence, servedType } from './content.ts'
import { lowerKeys, objectKey } from './object-key.ts'
import type { Storage } from './storage.ts'

/**
 * Whether an earlier claim of this row already stored the file, whole, and only the database was not told:
 * then it need not be fetched from Meta again, where it may be gone by now.
 *
 * The object is moved to this claim's own key. Were it settled where it lies, the earlier worker, frozen until
 * now and then told `lost`, would delete its own key and with it the file of an UPLOADED row. A move is
 * exclusive; when the earlier worker was faster there is nothing to move and the file is fetched as ever.
 */
export async function findStored(
  storage: Storage,
  claim: Claim,
  sha256: string,
  signal: AbortSignal,
): Promise<StoredObject | null> {
  const candidates = lowerKeys(claim)
  if (candidates.length === 0) return null
  const page = { search: `${claim.id}-`, limit: 1000, offset: 0 }
  const listed = await storage.listObjects(claim.bucket, claim.objectPrefix, page, signal)
  const there = new Set(listed.map(({ name }) => `${claim.objectPrefix}/${name}`))
  for (const key of candidates.filter(candidate => there.has(candidate))) {
    const found = await storage.hashObject(claim.bucket, key, signal)
    if (found === null || found.sha256 !== sha256) continue
    const own = objectKey(claim)
    if (!(await storage.moveObject(claim.bucket, key, own, signal))) continue
    return {
      objectKey: own,
      contentType: essence(found.contentType ?? servedType(claim.declaredMimeType, null)),
      sizeBytes: found.size,
      sha256,
      verified: true,
      notes: [{ event: 'found_stored', detail: { stored_as: key } }],
    }
  }
  return null
}
