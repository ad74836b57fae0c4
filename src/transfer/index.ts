import type { Claim, ResolvedMedia, StoredObject } from '../attachment.ts'
import { UserError } from '../errors.ts'
import { isLoopback } from '../settings-fields.ts'
import { DEFAULT_TIMEOUTS, type TransferConfig } from './config.ts'
import { copyMedia, GATHER_LIMIT } from './copy.ts'
import { openHasher } from './hashing.ts'
import { type Connections, openConnections } from './http.ts'
import { lowerKeys } from './object-key.ts'
import { probeStorage } from './probe.ts'
import { findStored } from './recover.ts'
import { openRooms } from './rooms.ts'
import { createStorage, type Storage } from './storage.ts'
import { TransferError } from './transfer-error.ts'
import { createWhatsApp } from './whatsapp.ts'

export type { TransferConfig, Usage } from './config.ts'
export { failureOf } from './failure.ts'
export { TransferError } from './transfer-error.ts'

/** One attachment's bytes. What throws, throws TransferError; `failureOf` reads that and anything else. */
export interface Transfer {
  /**
   * Asks Meta where the media is. The address lives five minutes: resolve anew on every attempt. For a claim
   * with a token over 1 it looks first whether an earlier claim stored the file and could not settle: then Meta
   * is not asked at all, and `copy` answers with that object.
   */
  resolve(claim: Claim, signal: AbortSignal): Promise<ResolvedMedia>
  /** Download, check, store, in one stream. Code `download_refused` asks for one fresh resolve. */
  copy(claim: Claim, media: ResolvedMedia, signal: AbortSignal): Promise<StoredObject>
  /** Neutral questions that use no attachment; what they throw is always `interrupted`. */
  readonly probes: {
    /**
     * Reads that phone number's id with the token; null asks who the token belongs to. Also sees whether a media
     * host that failed a download by 5xx or silence works.
     */
    whatsapp(phoneNumberId: string | null, signal: AbortSignal): Promise<void>
    /** Reads the bucket, writes and removes a small object under `.probe/`. */
    storage(signal: AbortSignal): Promise<void>
  }
  /** For a claim that was told `lost`: removes the key it wrote and no other. */
  discard(bucket: string, key: string): Promise<void>
  /** After `uploaded` was applied: removes what earlier claims of the row left. Does nothing for token 1. */
  discardEarlier(claim: Claim): Promise<void>
  readonly storage: Storage
  /** Ends every connection, at once. A second call does nothing. */
  close(): Promise<void>
}

/** So many copies at once, and something else can go on while one is hashed. */
const MANY = 4

/** Clean-up has only its own deadline. */
const NEVER = new AbortController().signal

/** Throws a UserError when an address in the configuration must not carry a token or key. */
export function createTransfer(config: TransferConfig, given?: Connections): Transfer {
  needSafeAddress('WHATSAPP_GRAPH_URL', config.graphUrl)
  needSafeAddress('SUPABASE_URL', config.supabaseUrl)
  const timeouts = { ...DEFAULT_TIMEOUTS, ...config.timeouts }
  const connections = given ?? openConnections(config.concurrency, timeouts)
  const whatsapp = createWhatsApp(config, timeouts, connections.meta)
  const storage = createStorage(config, timeouts, connections.storage)
  const rooms = openRooms({ bytes: GATHER_LIMIT, most: config.concurrency })
  const hasher = openHasher({ busy: () => underWay >= MANY })
  const parts = { config, timeouts, whatsapp, storage, rooms, hasher }
  let underWay = 0
  let closing: Promise<void> | undefined

  /** Addresses that were not asked for, since the file itself is already here. */
  const alreadyStored = new WeakMap<ResolvedMedia, StoredObject>()

  /**
   * The probe asks the configured bucket. That another one is missing, which an older row still names, is that row's
   * own trouble: taken for an outage it would open the circuit after every probe anew, and all others would wait.
   */
  function ofOwnBucket(claim: Claim, error: unknown): unknown {
    if (claim.bucket === config.bucket || !(error instanceof TransferError)) return error
    const { code, message } = error.failure
    if (code !== 'bucket_missing') return error
    return new TransferError(
      { verdict: 'unattributed', dependency: 'storage', code, message, otherwise: 'retry' },
      { cause: error },
    )
  }

  async function resolve(claim: Claim, signal: AbortSignal): Promise<ResolvedMedia> {
    const sha256 = claim.declaredSha256
    const found = sha256 === null ? null : await findStored(storage, claim, sha256, signal)
    if (found === null) return whatsapp.resolveMedia(claim, signal)
    const media = { url: '', mimeType: claim.declaredMimeType, sha256, size: found.sizeBytes }
    alreadyStored.set(media, found)
    return media
  }

  async function copy(claim: Claim, media: ResolvedMedia, signal: AbortSignal): Promise<StoredObject> {
    const found = alreadyStored.get(media)
    if (found !== undefined) return found
    underWay += 1
    try {
      return await copyMedia(parts, claim, media, signal)
    } finally {
      underWay -= 1
    }
  }

  /** Gives what was thrown for that claim its own meaning. */
  async function blamed<T>(claim: Claim, work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw ofOwnBucket(claim, error)
    }
  }

  return {
    storage,
    resolve: (claim, signal) => blamed(claim, resolve(claim, signal)),
    copy: (claim, media, signal) => blamed(claim, copy(claim, media, signal)),
    probes: {
      whatsapp: whatsapp.probe,
      storage: signal => probeStorage(storage, config.bucket, signal),
    },
    discard: (bucket, key) => storage.removeObjects(bucket, [key], NEVER),
    discardEarlier: async claim => storage.removeObjects(claim.bucket, lowerKeys(claim), NEVER),
    close: () => {
      closing ??= connections.close().then(hasher.close)
      return closing
    },
  }
}

function needSafeAddress(name: string, address: string): void {
  const url = URL.parse(address)
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
  if (safe) return
  throw new UserError(`${name} must be an https:// address (http:// only to this machine itself).`)
}
