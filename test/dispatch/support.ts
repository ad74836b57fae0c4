import assert from 'node:assert/strict'
import type { Claim, Failure, StoredObject } from '../../src/attachment.ts'
import type { AttachmentWork } from '../../src/dispatch/attachment-run.ts'
import { createLog } from '../../src/log.ts'
import { settled } from '../machines/support.ts'

export { settled }

export const SILENT = createLog('silent')

export function claimOf(id: number, changes: Partial<Claim> = {}): Claim {
  return {
    id,
    claimToken: 1,
    leadId: 4,
    messageId: `wamid.${id}`,
    mediaId: `media-${id}`,
    phoneNumberId: '100',
    kind: 'image',
    fileName: null,
    declaredMimeType: 'image/jpeg',
    declaredSha256: null,
    expiresAt: '2099-01-01T00:00:00Z',
    uploadAttempts: 0,
    maxAttempts: 5,
    lostLeases: 0,
    bucket: 'attachments',
    objectPrefix: '4',
    createdAt: '2026-11-01T00:00:00Z',
    dueAt: '2026-11-01T00:00:00Z',
    ...changes,
  }
}

/** `length` claims with ids from `first` on. */
export const claimsFrom = (first: number, length: number): Claim[] =>
  Array.from({ length }, (_, index) => claimOf(first + index))

export const storedFor = ({ id, claimToken }: Claim): StoredObject => ({
  objectKey: `4/${id}-${claimToken}.jpg`,
  contentType: 'image/jpeg',
  sizeBytes: 3,
  sha256: 'a'.repeat(64),
  verified: false,
  notes: [],
})

/** A thrown failure, as the daemon's parts throw them. */
export class Fault extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

export const failureOf = (error: unknown): Failure =>
  error instanceof Fault
    ? error.failure
    : { verdict: 'interrupted', dependency: null, code: 'unknown', message: String(error) }

export const down = (dependency: 'whatsapp' | 'storage' | 'database', retryAfterMs?: number) =>
  new Fault({
    verdict: 'interrupted',
    dependency,
    code: 'unreachable',
    message: 'no answer',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })

export interface Asked<Args extends readonly unknown[], Answer> {
  readonly args: Args
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** A function whose every call waits for the test; `calls` are all of them, oldest first. */
export function door<Args extends readonly unknown[], Answer>() {
  const calls: Asked<Args, Answer>[] = []
  return {
    calls,
    ask: (...args: Args): Promise<Answer> =>
      new Promise((resolve, reject) => {
        calls.push({ args, resolve, reject })
      }),
    /** The only call after the first `before` ones. */
    at(index: number): Asked<Args, Answer> {
      const call = calls[index]
      assert.ok(call, `there was no call ${index}`)
      return call
    },
  }
}

/** The work of an attachment whose lane and settlement wait for the test; the transfer itself is at once. */
export function heldWork() {
  const lane = door<[Claim, AbortSignal], undefined>()
  const settle = door<Parameters<AttachmentWork['settle']>, 'applied' | 'already' | 'lost'>()
  const work: AttachmentWork = {
    resolve: async (claim, signal) => {
      await lane.ask(claim, signal)
      return { url: 'https://media.test/1', mimeType: null, sha256: null, size: null }
    },
    transfer: async claim => storedFor(claim),
    judge: async (_, { code, message }) => ({ outcome: 'retry', code, message, retryInMs: 1000 }),
    settle: settle.ask,
    failureOf,
  }
  return {
    work,
    lane,
    settle,
    /** Ids for which a lane has begun, in that order. */
    begun: () => lane.calls.map(({ args: [claim] }) => claim.id),
    /** Ids and outcomes the database was told, in that order. */
    told: () =>
      settle.calls.map(({ args: [claim, settlement] }) => {
        const code = settlement.outcome === 'uploaded' ? '' : ` ${settlement.code}`
        return `${claim.id} ${settlement.outcome}${code}`
      }),
  }
}
