import { createHash, hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { Agent } from 'undici'

/** One file to carry, as every system here gets it. */
export interface Job {
  readonly media: string
  readonly key: string
}

export type Copy = (job: Job) => Promise<void>

/** As in mediaferry: what is small is cheaper in one piece. */
const GATHER_LIMIT = 512 * 1024

/**
 * Resolve, download, hash, upload, by undici's `request`, as lean as it goes with that (mediaferry collects small bodies
 * below it, src/collect.ts). Nothing is checked beyond the statuses and nothing is durable: the yardstick, and the
 * handler of every other queue here.
 */
export function openCopy(concurrency: number): Copy {
  const { BENCH_META_URL: meta = '', BENCH_PROJECT_URL: project = '' } = process.env
  const pool = { connections: concurrency, allowH2: false }
  const graph = new Agent(pool)
  const storage = new Agent(pool)
  const headers = { authorization: 'Bearer bench' }

  return async ({ media, key }) => {
    const answer = await graph.request({
      origin: meta,
      path: `/v25.0/${media}`,
      method: 'GET',
      headers,
    })
    const file = resolved(await answer.body.json())
    const address = new URL(file.url)
    const download = await graph.request({
      origin: address.origin,
      path: address.pathname,
      method: 'GET',
      headers,
      ...(file.size > GATHER_LIMIT ? { highWaterMark: 256 * 1024 } : {}),
    })
    if (download.statusCode !== 200) throw new Error(`the download answered ${download.statusCode}`)
    const { body, digest } =
      file.size > GATHER_LIMIT ? streamed(download.body) : await gathered(download.body)
    const stored = await storage.request({
      origin: project,
      path: `/storage/v1/object/attachments/${key}`,
      method: 'POST',
      headers: { ...headers, 'content-type': file.type, 'content-length': String(file.size) },
      body,
    })
    await stored.body.text()
    if (stored.statusCode !== 200) throw new Error(`the upload answered ${stored.statusCode}`)
    if (digest() !== file.sha256) throw new Error(`${media} arrived damaged`)
  }
}

interface Carried {
  readonly body: Buffer | Readable
  readonly digest: () => string
}

function gathered(body: Readable): Promise<Carried> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    body
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .on('end', () => {
        const whole = Buffer.concat(chunks)
        const sha256 = hash('sha256', whole, 'hex')
        resolve({ body: whole, digest: () => sha256 })
      })
      .on('error', reject)
  })
}

/** undici reads the body for the upload; the hash hears the same chunks. */
function streamed(body: Readable): Carried {
  const sha256 = createHash('sha256')
  body.on('data', (chunk: Buffer) => sha256.update(chunk)).pause()
  return { body, digest: () => sha256.digest('hex') }
}

interface Resolved {
  readonly url: string
  readonly type: string
  readonly sha256: string
  readonly size: number
}

function resolved(body: unknown): Resolved {
  const { url, mime_type, sha256, file_size } = body as Record<string, unknown>
  if (typeof url !== 'string' || typeof mime_type !== 'string') throw new Error('no address')
  return { url, type: mime_type, sha256: String(sha256), size: Number(file_size) }
}

/** Carries everything, that many at a time. */
export async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values()
  const lane = async () => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
