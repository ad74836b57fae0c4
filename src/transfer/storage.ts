import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { CollectedAnswer } from '../collect.ts'
import type { TransferConfig, TransferTimeouts } from './config.ts'
import { withDeadline } from './deadline.ts'
import { noAnswer, tooSlow } from './failure.ts'
import { ANSWER_LIMIT, collected, parseJson } from './gather.ts'
import type { Answer, Http, Request, StreamingRequest } from './http.ts'
import { bucketSegment, keyFault } from './object-key.ts'
import { isRecord } from './rate-headers.ts'
import { alreadyExists, isMissing, storageAnswer, storageFailure } from './storage-errors.ts'
import { TransferError } from './transfer-error.ts'
import type { RefusedAnswer } from './whatsapp-errors.ts'

export interface Upload {
  readonly bucket: string
  readonly key: string
  readonly contentType: string
  readonly body: Buffer | Readable
  /** Bytes; null sends it chunked, where Storage enforces no limit of its own. */
  readonly length: number | null
}

export interface HashedObject {
  readonly sha256: string
  readonly size: number
  readonly contentType: string | null
}

export interface ListedObject {
  /** Without the folder's name in front. */
  readonly name: string
  readonly isFolder: boolean
  /** Bytes; null for a folder. */
  readonly size: number | null
  /** ISO 8601; null for a folder. */
  readonly createdAt: string | null
}

/** Storage's HTTP API. Everything throws TransferError; keys are checked before they become an address. */
export interface Storage {
  /** Never overwrites. `exists`: the key was taken, and nothing was changed. */
  upload(upload: Upload, signal: AbortSignal): Promise<'stored' | 'exists'>
  /** Bytes as Storage knows them (null when it does not say); null for no such object. */
  objectInfo(bucket: string, key: string, signal: AbortSignal): Promise<{ size: number | null } | null>
  /** Reads the object and hashes it as it streams; null for no such object. */
  hashObject(bucket: string, key: string, signal: AbortSignal): Promise<HashedObject | null>
  /** False when there is no such object. Fails when the destination is taken: a move is exclusive. */
  moveObject(bucket: string, from: string, to: string, signal: AbortSignal): Promise<boolean>
  /** Objects that do not exist are passed over. */
  removeObjects(bucket: string, keys: readonly string[], signal: AbortSignal): Promise<void>
  /** One page of a folder, by name; `search` is the beginning of a name. */
  listObjects(bucket: string, folder: string, page: ListPage, signal: AbortSignal): Promise<ListedObject[]>
  readBucket(bucket: string, signal: AbortSignal): Promise<void>
  /** A URL that gives the object to whoever has it, for so long; null for no such object. */
  signUrl(wanted: SignedUrl, signal: AbortSignal): Promise<string | null>
}

export interface SignedUrl {
  readonly bucket: string
  readonly key: string
  readonly seconds: number
  /** The name to save it under; null lets a browser show it. */
  readonly download: string | null
}

export interface ListPage {
  readonly search: string
  readonly limit: number
  readonly offset: number
}

export type StorageConfig = Pick<TransferConfig, 'supabaseUrl' | 'supabaseKey' | 'version'>

const REMOVED_AT_ONCE = 500

export function createStorage(config: StorageConfig, timeouts: TransferTimeouts, http: Http): Storage {
  const base = new URL(config.supabaseUrl)
  const prefix = `${base.pathname.replace(/\/+$/, '')}/storage/v1`
  const auth = authHeaders(config.supabaseKey, config.version)

  const requestOf = (
    method: Request['method'],
    path: string,
    signal: AbortSignal,
    headers: Record<string, string> = {},
  ): Request => ({
    origin: base.origin,
    path: prefix + path,
    method,
    headers: { ...auth, ...headers },
    signal,
  })

  async function told(asking: Promise<CollectedAnswer>): Promise<RefusedAnswer> {
    const { statusCode, headers, body, end, error } = await asking.catch(thrown => {
      throw noAnswer('storage', thrown)
    })
    if (end === 'broken') throw noAnswer('storage', error)
    return {
      status: statusCode,
      headers,
      text: body.toString('utf8').replaceAll(config.supabaseKey, '[secret]'),
    }
  }

  const ask = (request: Request, body: string | Buffer | null): Promise<RefusedAnswer> =>
    told(http.collect({ ...request, body }, ANSWER_LIMIT))

  const stream = (request: StreamingRequest): Promise<Answer> =>
    http.request(request).catch(error => {
      throw noAnswer('storage', error)
    })

  /** A small call with JSON in and out, under its own deadline. */
  function call(
    method: Request['method'],
    path: string,
    signal: AbortSignal,
    content?: unknown,
  ): Promise<RefusedAnswer> {
    const body = content === undefined ? null : JSON.stringify(content)
    const headers: Record<string, string> = body === null ? {} : { 'content-type': 'application/json' }
    const late = () => tooSlow('storage', timeouts.callMs)
    return withDeadline(signal, timeouts.callMs, late, inTime =>
      ask(requestOf(method, path, inTime, headers), body),
    )
  }

  return {
    async upload({ bucket, key, contentType, body, length }, signal) {
      const path = objectPath('/object/', bucket, key)
      const headers = {
        'content-type': contentType,
        ...(length === null ? {} : { 'content-length': String(length) }),
      }
      const request = requestOf('POST', path, signal, headers)
      const answer = await (Buffer.isBuffer(body)
        ? ask(request, body)
        : told(stream({ ...request, body }).then(answer => collected(answer))))
      if (answer.status !== 200) {
        if (alreadyExists(storageAnswer(answer))) return 'exists'
        throw storageFailure(answer, Date.now())
      }
      const said = parseJson(answer.text)
      if (!isRecord(said) || said.Key !== `${bucket}/${key}`) {
        throw badAnswer('an upload with another key than the one that was sent', answer.text)
      }
      return 'stored'
    },

    async objectInfo(bucket, key, signal) {
      const answer = await call('GET', objectPath('/object/info/', bucket, key), signal)
      if (answer.status !== 200) return missingOrThrow(answer)
      const said = parseJson(answer.text)
      if (!isRecord(said)) throw badAnswer('a question about an object with no JSON object', answer.text)
      return { size: typeof said.size === 'number' ? said.size : null }
    },

    hashObject(bucket, key, signal) {
      const late = () => tooSlow('storage', timeouts.copyMs)
      return withDeadline(signal, timeouts.copyMs, late, async inTime => {
        const answer = await stream(requestOf('GET', objectPath('/object/', bucket, key), inTime))
        if (answer.statusCode !== 200) return missingOrThrow(await told(collected(answer)))
        const hash = createHash('sha256')
        let size = 0
        try {
          for await (const chunk of answer.body) {
            hash.update(chunk)
            size += chunk.length
          }
        } catch (error) {
          throw noAnswer('storage', error)
        }
        const type = answer.headers['content-type']
        return { sha256: hash.digest('hex'), size, contentType: typeof type === 'string' ? type : null }
      })
    },

    async moveObject(bucket, from, to, signal) {
      for (const key of [from, to]) checkKey(key)
      const content = { bucketId: bucket, sourceKey: from, destinationKey: to }
      const answer = await call('POST', '/object/move', signal, content)
      if (answer.status === 200) return true
      return missingOrThrow(answer) !== null
    },

    async removeObjects(bucket, keys, signal) {
      for (const key of keys) checkKey(key)
      for (let at = 0; at < keys.length; at += REMOVED_AT_ONCE) {
        const prefixes = keys.slice(at, at + REMOVED_AT_ONCE)
        const answer = await call('DELETE', `/object/${bucketSegment(bucket)}`, signal, { prefixes })
        if (answer.status !== 200) missingOrThrow(answer)
      }
    },

    async listObjects(bucket, folder, page, signal) {
      const content = { prefix: folder, ...page, sortBy: { column: 'name', order: 'asc' } }
      const answer = await call('POST', `/object/list/${bucketSegment(bucket)}`, signal, content)
      if (answer.status !== 200) throw storageFailure(answer, Date.now())
      const said = parseJson(answer.text)
      if (!Array.isArray(said)) throw badAnswer('a list of objects with no list', answer.text)
      return said.flatMap(listed)
    },

    async readBucket(bucket, signal) {
      const answer = await call('GET', `/bucket/${bucketSegment(bucket)}`, signal)
      if (answer.status !== 200) throw storageFailure(answer, Date.now())
    },

    async signUrl({ bucket, key, seconds, download }, signal) {
      const answer = await call('POST', objectPath('/object/sign/', bucket, key), signal, {
        expiresIn: seconds,
      })
      if (answer.status !== 200) return missingOrThrow(answer)
      const said = parseJson(answer.text)
      const path = isRecord(said) ? said.signedURL : undefined
      if (typeof path !== 'string' || !path.startsWith('/')) {
        throw badAnswer('a wish for a signed URL with none', answer.text)
      }
      const url = new URL(`${base.origin}${prefix}${path}`)
      if (download !== null) url.searchParams.set('download', download)
      return url.href
    },
  }
}

function listed(entry: unknown): ListedObject[] {
  if (!isRecord(entry) || typeof entry.name !== 'string') return []
  const size = isRecord(entry.metadata) ? entry.metadata.size : undefined
  return [
    {
      name: entry.name,
      isFolder: entry.id === null,
      size: typeof size === 'number' ? size : null,
      createdAt: typeof entry.created_at === 'string' ? entry.created_at : null,
    },
  ]
}

/**
 * The new keys (`sb_secret_…`) are no JWTs and go into `apikey` alone: Supabase's documentation says that they
 * cannot stand in `Authorization`. A service_role JWT goes into both, as supabase-js sends it.
 */
export function authHeaders(key: string, version: string): Record<string, string> {
  const common = { apikey: key, 'user-agent': `mediaferry/${version}` }
  return /^sb_(?:secret|publishable)_/.test(key) ? common : { ...common, authorization: `Bearer ${key}` }
}

function objectPath(route: string, bucket: string, key: string): string {
  checkKey(key)
  return `${route}${bucketSegment(bucket)}/${key}`
}

function checkKey(key: string): void {
  const fault = keyFault(key)
  if (fault === null) return
  throw new TransferError({
    verdict: 'fail',
    code: 'object_key_unsafe',
    message: `Not a safe object key: ${fault}.`,
  })
}

function missingOrThrow(answer: RefusedAnswer): null {
  if (isMissing(storageAnswer(answer))) return null
  throw storageFailure(answer, Date.now())
}

function badAnswer(what: string, evidence: string): TransferError {
  return new TransferError(
    {
      verdict: 'unattributed',
      dependency: 'storage',
      code: 'storage_bad_answer',
      message: `Storage answered ${what}.`,
      otherwise: 'retry',
    },
    { evidence },
  )
}
