import {
  type AttachmentEvent,
  type AttachmentSnapshot,
  attachmentMachine,
} from '../../machines/attachment.ts'
import type { Claim, Failure, ResolvedMedia, Settlement, StoredObject } from '../../src/attachment.ts'
import { simplePaths } from './support.ts'

export const claim: Claim = {
  id: 7,
  claimToken: 3,
  leadId: 1,
  messageId: 'wamid.1',
  mediaId: '100',
  phoneNumberId: '200',
  kind: 'image',
  fileName: null,
  declaredMimeType: 'image/jpeg',
  declaredSha256: null,
  expiresAt: '2026-11-30T00:00:00Z',
  uploadAttempts: 0,
  maxAttempts: 5,
  lostLeases: 0,
  bucket: 'attachments',
  objectPrefix: '1',
  createdAt: '2026-11-23T00:00:00Z',
  dueAt: '2026-11-23T00:00:00Z',
}

export const media: ResolvedMedia = {
  url: 'https://lookaside.test/1',
  mimeType: 'image/jpeg',
  sha256: null,
  size: 3,
}
export const stored: StoredObject = {
  objectKey: '1/7-3.jpg',
  contentType: 'image/jpeg',
  sizeBytes: 3,
  sha256: 'ab',
  verified: false,
  notes: [],
}
export const uploaded: Settlement = { outcome: 'uploaded', ...stored }
export const retry: Settlement = { outcome: 'retry', code: 'timeout', message: 'slow', retryInMs: 300_000 }
export const failed: Settlement = { outcome: 'failed', code: 'media_gone', message: 'gone' }

export function failure(code: string): Failure {
  return { verdict: 'retry', code, message: code }
}

export const START = { type: 'START' } as const
export const RESOLVED = { type: 'RESOLVED', media } as const
export const STORED = { type: 'STORED', object: stored } as const
export const broke = (code: string) => ({ type: 'BROKE', failure: failure(code) }) as const
export const judged = (settlement: Settlement) => ({ type: 'JUDGED', settlement }) as const
export const answered = (answer: 'applied' | 'already' | 'lost') => ({ type: 'ANSWERED', answer }) as const

const EVENTS: readonly AttachmentEvent[] = [
  START,
  { type: 'LEASE_LOST' },
  { type: 'INTERRUPT', reason: 'drain' },
  RESOLVED,
  STORED,
  broke('timeout'),
  broke('download_refused'),
  judged(retry),
  judged(failed),
  answered('applied'),
  answered('already'),
  answered('lost'),
]

export const walk = {
  input: { claim },
  events: EVENTS,
  identity: ({ value, context, output }: AttachmentSnapshot) => [
    value,
    context.settlement?.outcome,
    context.resolvedAgain,
    output?.lost === false ? output.answer : null,
  ],
}

/** Every way of an attachment that comes through no state twice. */
export const attachmentPaths = () => simplePaths(attachmentMachine, walk)
