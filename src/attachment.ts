/**
 * The words that every part shares: what a claim is, how an attempt can end, and what is told to the
 * database about it. Types only; the parts (intake, dispatch, transfer, database, …) know these and not
 * each other.
 */

export type MediaKind = 'image' | 'video' | 'audio' | 'document' | 'sticker'

export type UploadStatus = 'PENDING' | 'UPLOADING' | 'UPLOADED' | 'FAILED'

/** Which claim: the row, and the fencing token that it was claimed with. */
export interface ClaimKey {
  readonly id: number
  /** Grows by one with every claim of this row and never goes back: the fencing token. */
  readonly claimToken: number
}

/** What can be down as a whole. Each has a circuit and a neutral probe that never uses an attachment. */
export type Dependency = 'whatsapp' | 'storage' | 'database'

/** One claimed attachment: the columns a transfer needs, and the fencing token that guards them. */
export interface Claim extends ClaimKey {
  readonly leadId: number | null
  readonly messageId: string
  readonly mediaId: string
  readonly phoneNumberId: string
  readonly kind: MediaKind | null
  readonly fileName: string | null
  readonly declaredMimeType: string | null
  /** 64 hex digits, or null when the webhook named no hash. */
  readonly declaredSha256: string | null
  /** ISO 8601. Meta deletes the file about then; a row past it is still asked for once. */
  readonly expiresAt: string
  /** Attempts already counted before this claim. */
  readonly uploadAttempts: number
  readonly maxAttempts: number
  /** Claims of this row that ended with a dead or silent worker. */
  readonly lostLeases: number
  readonly bucket: string
  readonly objectPrefix: string
  /** ISO 8601. */
  readonly createdAt: string
  /** ISO 8601: when the row became due, so that the wait for a lane can be told. */
  readonly dueAt: string
}

/** What the Graph API answers for a media id. The URL lives five minutes and is never stored or logged. */
export interface ResolvedMedia {
  readonly url: string
  readonly mimeType: string | null
  /** 64 hex digits. */
  readonly sha256: string | null
  /** Bytes. */
  readonly size: number | null
}

/** Something worth a line in the attachment's story that is neither success nor failure. */
export interface Note {
  readonly event: string
  readonly detail: Readonly<Record<string, string | number | boolean | null>>
}

/** An object that is stored, whole and checked. */
export interface StoredObject {
  readonly objectKey: string
  /** What Storage serves it as. */
  readonly contentType: string
  readonly sizeBytes: number
  /** 64 hex digits, of the bytes that were sent to Storage. */
  readonly sha256: string
  /** True when a declared hash was there and matched. */
  readonly verified: boolean
  readonly notes: readonly Note[]
}

/**
 * Why an attempt did not end in a stored object, and whose fault that is.
 *
 * | verdict        | means                                             | attempt counted |
 * |----------------|---------------------------------------------------|-----------------|
 * | `retry`        | the attachment's own fault, may go better later   | yes             |
 * | `fail`         | the attachment's own fault, for good              | yes             |
 * | `interrupted`  | a dependency is down, or we are stopping          | no              |
 * | `unattributed` | nobody can tell yet: ask the dependency's probe   | decided by it   |
 *
 * `code` is a short stable word for programs; `message` is for people: no token, no URL.
 */
export type Failure =
  | {
      readonly verdict: 'retry'
      readonly code: string
      readonly message: string
      readonly retryAfterMs?: number
    }
  | { readonly verdict: 'fail'; readonly code: string; readonly message: string }
  | {
      readonly verdict: 'interrupted'
      /** The circuit to open; null when nothing is down (we are stopping, or the claim was lost). */
      readonly dependency: Dependency | null
      readonly code: string
      readonly message: string
      readonly retryAfterMs?: number
    }
  | {
      readonly verdict: 'unattributed'
      readonly dependency: Dependency
      readonly code: string
      readonly message: string
      readonly retryAfterMs?: number
      /** What it is when the probe succeeds: the dependency works, so it is the item's own. */
      readonly otherwise: 'retry' | 'fail'
    }

/** What the database is told about a claim. Delays are milliseconds from the database's own now. */
export type Settlement =
  | ({ readonly outcome: 'uploaded' } & StoredObject)
  | { readonly outcome: 'retry'; readonly code: string; readonly message: string; readonly retryInMs: number }
  | { readonly outcome: 'failed'; readonly code: string; readonly message: string }
  | {
      readonly outcome: 'interrupted'
      readonly code: string
      readonly message: string
      readonly retryInMs: number
    }

/** A claim together with how it ended. */
export interface SettlementOfClaim extends ClaimKey {
  readonly settlement: Settlement
}

/** An upload that is done and whose settlement the database has not answered yet. */
export interface OutboxEntry extends ClaimKey {
  readonly bucket: string
  readonly settlement: Extract<Settlement, { outcome: 'uploaded' }>
}

/** `applied`: it counts now. `already`: it counted before (the answer was lost). `lost`: the claim is no longer ours. */
export type SettleAnswer = 'applied' | 'already' | 'lost'

/**
 * How far the rows of `attachments` are known, in the order (created_xid, id), and of which database cluster.
 * `id` 0 stands for "before any row of that transaction".
 */
export interface Cursor {
  readonly cluster: string
  /** xid8 as decimal text: it does not fit into a JavaScript number. */
  readonly xid: string
  readonly id: number
}

/** Where the cursor is kept between lives. Losing it costs nothing but a count of what Realtime missed. */
export interface CursorStore {
  load(): Cursor | null
  save(cursor: Cursor): void
}
