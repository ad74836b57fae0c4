import type { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import type { TransferTimeouts } from './config.ts'
import type { Headers } from './rate-headers.ts'

export interface Request {
  readonly origin: string
  readonly path: string
  readonly method: Dispatcher.HttpMethod
  readonly headers: Record<string, string>
  readonly body?: string | Buffer | Readable | null
  /** Aborted, the request rejects with its reason. */
  readonly signal: AbortSignal
  readonly highWaterMark?: number
}

export interface Answer {
  readonly statusCode: number
  readonly headers: Headers
  readonly body: Readable & { text(): Promise<string> }
}

/** What of undici is used. */
export interface Http {
  request(request: Request): Promise<Answer>
}

/** The ways to Meta and to Storage: a pool each, so that neither waits behind the other. */
export interface Connections {
  readonly meta: Http
  readonly storage: Http
  /** Ends every connection, at once. */
  close(): Promise<void>
}

export function openConnections(concurrency: number, timeouts: TransferTimeouts): Connections {
  // Beside the lanes: probes, clean-up and the look for earlier objects. HTTP/1.1 is what was measured.
  const pool = {
    allowH2: false,
    connect: { timeout: timeouts.connectMs },
    headersTimeout: timeouts.answerMs,
    bodyTimeout: timeouts.idleMs,
    connections: concurrency + 4,
  }
  const meta = new Agent(pool)
  const storage = new Agent(pool)
  return {
    meta,
    storage,
    close: async () => {
      await Promise.all([meta.destroy(), storage.destroy()])
    },
  }
}
