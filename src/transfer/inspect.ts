import { createHash } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'
import { type Arrived, type Expectation, mismatch, wrongSize } from './integrity.ts'
import { scavengeAfter } from './scavenge.ts'
import type { TransferError } from './transfer-error.ts'

export interface InspectorOptions {
  readonly expected: Expectation
  /** Bytes. */
  readonly maxFileSize: number
  /** Makes the error for a file over the limit. */
  readonly tooLarge: () => TransferError
  /** Makes the error for bytes that are not what was declared. */
  readonly wrong: (why: string) => TransferError
}

/**
 * Hashes and counts bytes as they pass from the download to Storage, holds nothing but one chunk, and breaks
 * off as soon as they cannot be what was declared. The last chunk is let go only when all of them are right:
 * a wrong file is a cut upload, and a cut upload leaves nothing visible in Storage (measured against
 * supabase/storage 1.11.2).
 *
 * A Transform and not an async generator: 45 against 48 ms of CPU for 16 MB (SHA-256 alone is 11), and undici
 * ends it by itself when an upload breaks off.
 */
export class Inspector extends Transform {
  /** What has passed, once all of it has and is right. */
  arrived: Arrived | undefined
  readonly #options: InspectorOptions
  readonly #hash = createHash('sha256')
  #size = 0
  #held: Buffer | undefined

  constructor(options: InspectorOptions) {
    super({ highWaterMark: 256 * 1024 })
    this.#options = options
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const { expected, maxFileSize, tooLarge, wrong } = this.#options
    this.#size += chunk.length
    if (this.#size > maxFileSize) {
      done(tooLarge())
      return
    }
    if (expected.size !== null && this.#size > expected.size) {
      done(wrong(wrongSize(expected.size, 'More')))
      return
    }
    this.#hash.update(chunk)
    scavengeAfter(chunk.length)
    const before = this.#held
    this.#held = chunk
    if (before === undefined) done()
    else done(null, before)
  }

  override _flush(done: TransformCallback): void {
    const arrived = { size: this.#size, sha256: this.#hash.digest('hex') }
    const why = mismatch(this.#options.expected, arrived)
    if (why !== null) {
      done(this.#options.wrong(why))
      return
    }
    this.arrived = arrived
    done(null, this.#held)
  }
}
