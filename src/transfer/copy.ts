import { Readable } from 'node:stream'
import type { Claim, Dependency, Note, ResolvedMedia, StoredObject } from '../attachment.ts'
import type { TransferConfig, TransferTimeouts } from './config.ts'
import { explainsPage, type Look, lookAt, SNIFF_BYTES, servedType, typeAgrees } from './content.ts'
import { withDeadline } from './deadline.ts'
import { noAnswer, tooSlow } from './failure.ts'
import { type Gathered, gather, joined } from './gather.ts'
import type { Hasher } from './hashing.ts'
import { Inspector } from './inspect.ts'
import { type Arrived, type Expectation, expectationOf, mismatch, wrongSize } from './integrity.ts'
import { objectKey } from './object-key.ts'
import { findStored } from './recover.ts'
import type { Rooms } from './rooms.ts'
import type { Storage, Upload } from './storage.ts'
import { storedAfterAll } from './stored-after-all.ts'
import { TransferError } from './transfer-error.ts'
import type { Download, WhatsApp } from './whatsapp.ts'
import { errorPage, isErrorPage, tooLarge, wrongBytes } from './wrong-bytes.ts'

/**
 * Bodies up to this are gathered, checked and sent as one Buffer: 0.84 against 1.1 ms of CPU for 200 KB (32
 * lanes), and a wrong one never reaches Storage at all. 64 lanes hold at most 32 MB so.
 */
export const GATHER_LIMIT = 512 * 1024

export interface CopyParts {
  readonly config: Pick<TransferConfig, 'maxFileSize'>
  readonly timeouts: TransferTimeouts
  readonly whatsapp: WhatsApp
  readonly storage: Storage
  /** Of GATHER_LIMIT each. */
  readonly rooms: Rooms
  readonly hasher: Hasher
}

/** One copy under way. */
interface Copy {
  readonly claim: Claim
  readonly expected: Expectation
  readonly key: string
  /** Whom it waits for at the moment: there a deadline looks for the cause. */
  waitsFor: () => Dependency
}

/**
 * Carries one attachment's bytes from Meta into Storage, in one stream, checked on the way. Throws
 * TransferError; then nothing of this claim is left in Storage, as far as Storage could be asked.
 */
export async function copyMedia(
  parts: CopyParts,
  claim: Claim,
  media: ResolvedMedia,
  signal: AbortSignal,
): Promise<StoredObject> {
  const { timeouts, config, storage, whatsapp } = parts
  const expected = expectationOf(claim, media)
  const copy: Copy = { claim, expected, key: objectKey(claim), waitsFor: () => 'whatsapp' }
  if ((expected.size ?? 0) > config.maxFileSize) throw tooLarge(config.maxFileSize)
  const late = () => tooSlow(copy.waitsFor(), timeouts.copyMs)
  return withDeadline(signal, timeouts.copyMs, late, async inTime => {
    if (claim.declaredSha256 === null && expected.sha256 !== null) {
      const found = await findStored(storage, claim, expected.sha256, inTime)
      if (found !== null) return found
    }
    const small = expected.size !== null && expected.size <= GATHER_LIMIT
    const download = await whatsapp.openDownload(media, small ? parts.rooms : null, inTime)
    try {
      return await carry(parts, copy, download, inTime)
    } finally {
      if (isStream(download.body)) download.body.destroy()
      else parts.rooms.giveBack(download.body.body)
    }
  })
}

async function carry(
  parts: CopyParts,
  copy: Copy,
  download: Download,
  signal: AbortSignal,
): Promise<StoredObject> {
  const { expected } = copy
  const { maxFileSize } = parts.config
  const head = await headOf(expected, download, maxFileSize)
  const look = await lookAt(firstBytes(head), head.ended, expected.mimeType)
  const wrong = (why: string) => wrongBytes(expected, look.page, why)
  if (expected.size !== null && download.length !== null && download.length !== expected.size) {
    throw wrong(wrongSize(expected.size, download.length))
  }
  if (expected.size !== null && head.size > expected.size) throw wrong(wrongSize(expected.size, 'More'))
  if (Math.max(head.size, download.length ?? 0) > maxFileSize) throw tooLarge(maxFileSize)
  if (expected.sha256 === null && isErrorPage(expected, look.page)) throw errorPage(look.page)

  const contentType = servedType(expected.mimeType, look.type)
  const target = { bucket: copy.claim.bucket, key: copy.key, contentType }
  if (head.ended) {
    const body = joined(head)
    const arrived = { size: body.length, sha256: await parts.hasher.sha256(body) }
    const why = mismatch(expected, arrived)
    if (why !== null) throw wrong(why)
    copy.waitsFor = () => 'storage'
    const upload = { ...target, body, length: body.length }
    let answered = false
    try {
      const sent = await send(parts.storage, copy, upload, () => arrived, signal)
      answered = sent.answered
      return stored(copy, contentType, look, sent)
    } finally {
      // undici may still be writing it. Storage itself does not say that it has an object before it has read it all.
      if (!answered) parts.rooms.abandon(body)
    }
  }

  if (!isStream(download.body)) throw wrong(wrongSize(expected.size ?? 0, 'More'))
  const inspector = new Inspector({ expected, maxFileSize, tooLarge: () => tooLarge(maxFileSize), wrong })
  copy.waitsFor = () =>
    inspector.arrived === undefined && inspector.readableLength === 0 ? 'whatsapp' : 'storage'
  join(head, download.body, inspector)
  const upload = { ...target, body: inspector, length: expected.size ?? download.length }
  const sent = await send(parts.storage, copy, upload, () => inspector.arrived, signal)
  return stored(copy, contentType, look, sent)
}

const isStream = (body: Download['body']): body is Readable => body instanceof Readable

/** The beginning of the download, or all of it when that is short. */
async function headOf(
  expected: Expectation,
  { body, length }: Download,
  maxFileSize: number,
): Promise<Gathered> {
  if (!isStream(body)) {
    if (body.end === 'broken') throw noAnswer('whatsapp', body.error)
    return { chunks: [body.body], size: body.body.length, ended: body.end === 'whole' }
  }
  const large = (expected.size ?? length ?? 0) > GATHER_LIMIT
  try {
    return await gather(body, Math.min(large ? SNIFF_BYTES : GATHER_LIMIT, maxFileSize))
  } catch (error) {
    throw noAnswer('whatsapp', error)
  }
}

/** The rest of the download follows its head through the inspector; either's end is the other's. */
function join(head: Gathered, body: Readable, inspector: Inspector): void {
  const broken = () => {
    if (!body.readableEnded && !inspector.destroyed)
      inspector.destroy(noAnswer('whatsapp', body.errored ?? new Error('ended early')))
  }
  inspector.on('error', () => {}).on('close', () => body.destroy())
  for (const chunk of head.chunks) inspector.write(chunk)
  // A body that came with its headers may have ended with the head: a pipe would wait for an end that was already told.
  if (body.readableEnded) inspector.end()
  else if (body.destroyed) broken()
  else body.on('close', broken).pipe(inspector)
}

interface Sent extends Arrived {
  /** Storage took all of it and said so. */
  readonly answered: boolean
  readonly notes: readonly Note[]
}

/** Uploads, and sees to its unclear ends. `allSent` knows what was sent as soon as all of it was. */
async function send(
  storage: Storage,
  { expected }: Copy,
  upload: Upload,
  allSent: () => Arrived | undefined,
  signal: AbortSignal,
): Promise<Sent> {
  const { bucket, key } = upload
  let error: unknown
  try {
    const result = await storage.upload(upload, signal)
    const arrived = allSent()
    if (result === 'stored' && arrived !== undefined) return { ...arrived, answered: true, notes: [] }
    if (result === 'stored') error = answeredEarly()
  } catch (thrown) {
    error = thrown
  }
  // A taken key is refused early, before all was sent: then the declared hash tells.
  const sha256 = allSent()?.sha256 ?? (error === undefined ? expected.sha256 : null)
  const found = await storedAfterAll(storage, { bucket, key, sha256, signal }, error)
  const event = error === undefined ? 'object_existed' : 'answer_lost'
  return { ...found, answered: false, notes: [{ event, detail: { object_key: key } }] }
}

function answeredEarly(): TransferError {
  return new TransferError({
    verdict: 'unattributed',
    dependency: 'storage',
    code: 'storage_bad_answer',
    message: 'Storage answered an upload before all of it was sent.',
    otherwise: 'retry',
  })
}

function stored(copy: Copy, contentType: string, look: Look, sent: Sent): StoredObject {
  const { mimeType, sha256 } = copy.expected
  const found = look.type ?? look.page
  const agrees =
    look.page === null ? typeAgrees(mimeType, found) : mimeType === null || explainsPage(mimeType)
  const differs = { event: 'type_differs', detail: { declared: mimeType, found } }
  return {
    objectKey: copy.key,
    contentType,
    sizeBytes: sent.size,
    sha256: sent.sha256,
    verified: sha256 !== null,
    notes: agrees ? sent.notes : [...sent.notes, differs],
  }
}

const firstBytes = (head: Gathered): Buffer => {
  const [first] = head.chunks
  const enough = first !== undefined && (first.length >= SNIFF_BYTES || head.chunks.length === 1)
  return enough ? first : Buffer.concat(head.chunks, Math.min(head.size, SNIFF_BYTES))
}
