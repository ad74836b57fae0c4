import { createCipheriv, createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

export type Bytes = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** A file's bytes as a recipe: each `open` is a new pass from the beginning, and nothing is held whole. */
export interface MediaSource {
  /** Bytes. */
  readonly size: number
  open(): Bytes
}

const CHUNK = 256 * 1024

/** A file on disk, which must not change while it is a source. Rejects when it cannot be read. */
export async function fromFile(path: string): Promise<MediaSource> {
  const { size } = await stat(path)
  return { size, open: () => createReadStream(path, { highWaterMark: CHUNK }) }
}

/** Pieces in memory, one after the other; sources can share pieces. */
export function fromPieces(pieces: readonly Uint8Array[]): MediaSource {
  return { size: pieces.reduce((sum, piece) => sum + piece.length, 0), open: () => pieces }
}

/**
 * `size` bytes that look random and are the same for the same seed everywhere: an AES-CTR keystream, which
 * costs a third of what hashing it costs (measured: 2.4 GB/s against 1.4 GB/s) and cannot be
 * compressed.
 */
export function generated(seed: string, size: number): MediaSource {
  return { size, open: () => keystream(seed, size) }
}

function* keystream(seed: string, size: number): Generator<Uint8Array> {
  const secret = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-128-ctr', secret.subarray(0, 16), secret.subarray(16))
  const zeros = new Uint8Array(Math.min(CHUNK, size))
  for (let left = size; left > 0; left -= CHUNK) yield cipher.update(zeros.subarray(0, left))
}

/** Sources one after the other. */
export function joined(sources: readonly MediaSource[]): MediaSource {
  return {
    size: sources.reduce((sum, source) => sum + source.size, 0),
    open: () => openAll(sources),
  }
}

async function* openAll(sources: readonly MediaSource[]): AsyncGenerator<Uint8Array> {
  for (const source of sources) yield* source.open()
}

/** The source's SHA-256, 64 hex digits, in one streaming pass. */
export async function sha256Of(source: MediaSource): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of source.open()) hash.update(chunk)
  return hash.digest('hex')
}
