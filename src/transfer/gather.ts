import type { Readable } from 'node:stream'
import type { CollectedAnswer } from '../collect.ts'
import type { Answer } from './http.ts'

/** The beginning of a body: all of it when `ended`, otherwise the body is paused and goes on after it. */
export interface Gathered {
  readonly chunks: readonly Buffer[]
  readonly size: number
  readonly ended: boolean
}

/** Many tiny chunks cost far more memory than their bytes: a slice of a 64 KB read buffer each. */
const CHUNKS_AT_MOST = 1024

/**
 * Reads until the body ends or more than `limit` bytes have come. Rejects when the body breaks off. By `data`
 * events and not `for await`: 0.72 against 0.86 ms of CPU for a 200 KB copy (32 lanes, Node 24, undici 8).
 */
export function gather(body: Readable, limit: number): Promise<Gathered> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size > limit || chunks.length === CHUNKS_AT_MOST) {
        body.pause()
        finish(false)
      }
    }
    const finish = (ended: boolean) => {
      stopListening()
      resolve({ chunks, size, ended })
    }
    const onEnd = () => finish(true)
    const onError = (error: unknown) => {
      stopListening()
      reject(error)
    }
    const onClose = () => onError(body.errored ?? new Error('the connection ended before the body did'))
    const stopListening = () => {
      body.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    }
    // A broken body must not bring the process down while nobody happens to listen.
    body.on('error', ignore)
    body.on('end', onEnd).on('error', onError).on('close', onClose).on('data', onData)
    body.resume()
  })
}

function ignore(): void {}

export function joined(gathered: Gathered): Buffer {
  const [only] = gathered.chunks
  return only !== undefined && gathered.chunks.length === 1
    ? only
    : Buffer.concat(gathered.chunks, gathered.size)
}

/** Of an API's answer more than this is thrown away. */
export const ANSWER_LIMIT = 256 * 1024

/** Reads the body of a streaming answer, the first 256 KB of it or a little more. Does not reject. */
export async function collected({ statusCode, headers, body }: Answer): Promise<CollectedAnswer> {
  try {
    const gathered = await gather(body, ANSWER_LIMIT)
    if (!gathered.ended) body.destroy()
    return { statusCode, headers, body: joined(gathered), end: gathered.ended ? 'whole' : 'cut' }
  } catch (error) {
    return { statusCode, headers, body: Buffer.alloc(0), end: 'broken', error }
  }
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
