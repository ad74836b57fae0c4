import { z } from 'zod'
import { reasonFor } from '../../reasons.ts'
import { authHeaders } from '../../transfer/storage.ts'
import { VERSION } from '../../version.ts'
import { sizeText } from '../terminal.ts'
import { failure, ok, type Verdict, warning } from './finding.ts'

const bucketAnswer = z.object({
  public: z.boolean(),
  file_size_limit: z.number().nullish(),
  allowed_mime_types: z.array(z.string()).nullish(),
})

export type Bucket = z.output<typeof bucketAnswer>

interface Place {
  readonly url: string
  readonly key: string
  readonly bucket: string
}

/** Undefined when there is no such bucket. Rejects when Storage says anything else. */
export async function readBucket(
  { url, key, bucket }: Place,
  signal: AbortSignal,
): Promise<Bucket | undefined> {
  const response = await fetch(`${url}/storage/v1/bucket/${encodeURIComponent(bucket)}`, {
    headers: authHeaders(key, VERSION),
    signal,
  })
  const text = await response.text()
  if (response.ok) return bucketAnswer.parse(JSON.parse(text))
  // Storage answers 400 on the wire, and says what it means in the body (measured against storage 1.11).
  if (/NoSuchBucket|Bucket not found/i.test(text)) return undefined
  throw new Error(`Storage answered ${response.status}: ${text.slice(0, 200)}`)
}

export function bucketVerdict(
  name: string,
  bucket: Bucket | undefined,
  maxFileSize: number,
  url: string,
): Verdict {
  const update = (what: string) =>
    `In the SQL editor: update storage.buckets set ${what} where id = '${name}';`
  if (bucket === undefined) {
    return failure(
      `There is no bucket ${name}.`,
      'Apply the migrations, or set STORAGE_BUCKET to the one you use.',
    )
  }
  if (bucket.public) {
    return failure(
      `The bucket ${name} is public: whoever knows a key may read the file.`,
      update('public = false'),
    )
  }
  const types = bucket.allowed_mime_types ?? []
  if (types.length > 0) {
    return failure(
      `The bucket ${name} takes ${types.length} types only; what customers send is of any type.`,
      update('allowed_mime_types = null'),
    )
  }
  const limit = bucket.file_size_limit ?? Number.POSITIVE_INFINITY
  if (limit < maxFileSize) {
    return warning(
      `The bucket ${name} stops at ${sizeText(limit)}, MAX_FILE_SIZE is ${sizeText(maxFileSize)}: files between end FAILED.`,
      `${update(`file_size_limit = ${maxFileSize}`)} The limit in the project's Storage settings has to be as high.`,
    )
  }
  const hosted = new URL(url).hostname.endsWith('.supabase.co') && maxFileSize > FREE_PLAN
  return ok(
    `${name} is private and takes files up to ${sizeText(Math.min(limit, maxFileSize))}${hosted ? ', if the project does: the free plan stops at 50MB' : ''}`,
  )
}

/** Supabase documentation, "Storage: File limits". */
const FREE_PLAN = 50 * 2 ** 20

/** `thrown` is the failure of the probe that writes and removes a small object; undefined when it went well. */
export function uploadVerdict(
  thrown: { readonly code: string; readonly message: string } | undefined,
): Verdict {
  if (thrown === undefined) return ok('a small object was written and removed again')
  return failure(
    `A small object could not be written: ${thrown.message}`,
    reasonFor(thrown.code)?.advice ?? 'Look at the Storage logs of the project.',
  )
}
