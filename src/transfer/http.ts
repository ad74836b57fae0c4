import type { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import { type BodyWanted, type CollectedAnswer, collect, type Memory } from '../collect.ts'
import type { TransferTimeouts } from './config.ts'
import type { Headers } from './rate-headers.ts'

export interface Request {
  readonly origin: string
  readonly path: string
  readonly method: Dispatcher.HttpMethod
  readonly headers: Record<string, string>
  readonly body?: string | Buffer | null
  /** Aborted, the request rejects with its reason. */
  readonly signal: AbortSignal
}

export interface StreamingRequest extends Omit<Request, 'body'> {
  readonly body?: string | Buffer | Readable | null
  readonly highWaterMark?: number
}

export interface Answer {
  readonly statusCode: number
  readonly headers: Headers
  readonly body: Readable
}

/** What of undici is used. */
export interface Http {
  /** For a body that may be large, here or there: it streams. */
  request(request: StreamingRequest): Promise<Answer>
  /** For an answer that is wanted whole, and of a longer one the first `limit` bytes or a little more. */
  collect(request: Request, limit: number, wanted?: BodyWanted, memory?: Memory): Promise<CollectedAnswer>
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
    meta: over(meta),
    storage: over(storage),
    close: async () => {
      await Promise.all([meta.destroy(), storage.destroy()])
    },
  }
}

const over = (agent: Agent): Http => ({
  request: request => agent.request(request),
  collect: (request, limit, wanted, memory) => collect(agent, request, request.signal, limit, wanted, memory),
})
