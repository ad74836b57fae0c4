import { Readable } from 'node:stream'
import { collected } from '../../src/transfer/gather.ts'
import type { Answer, Http } from '../../src/transfer/http.ts'

/** A body that is there as a whole. */
class WholeBody extends Readable {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    super()
    this.#bytes = bytes
  }

  override _read(): void {
    this.push(this.#bytes)
    this.push(null)
  }
}

/** Ends in the middle, as when the connection is cut. */
class CutBody extends Readable {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    super()
    this.#bytes = bytes
  }

  override _read(): void {
    this.push(this.#bytes)
    this.destroy(Object.assign(new Error('simulated cut'), { code: 'ECONNRESET' }))
  }
}

export type Reply = {
  readonly status: number
  readonly bytes: Buffer
  readonly headers: Readonly<Record<string, string>>
  /** Only so many bytes come. */
  readonly cutAt?: number
}

export function json(
  status: number,
  content: unknown,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return { status, bytes: Buffer.from(JSON.stringify(content)), headers }
}

export function asAnswer({ status, bytes, headers, cutAt }: Reply): Answer {
  return {
    statusCode: status,
    headers: { 'content-length': String(bytes.length), ...headers },
    body: cutAt === undefined ? new WholeBody(bytes) : new CutBody(bytes.subarray(0, cutAt)),
  }
}

/** Both ways of asking, by one that streams. */
export const httpBy = (request: Http['request']): Http => ({
  request,
  collect: async asked => collected(await request(asked)),
})
