import type { Owner } from '../../database/upkeep.ts'
import type { WalkedObject } from '../../transfer/walk.ts'

/**
 * Why no row names an object, and so whether it may go:
 *
 * | kind       | what it is                                                              | removed by --repair |
 * |------------|-------------------------------------------------------------------------|---------------------|
 * | `gone`     | its attachment is in no table: forgotten, or deleted                    | yes                 |
 * | `replaced` | its attachment is UPLOADED as another object: a claim that came too late | yes                 |
 * | `probe`    | the daemon's own try of Storage, left by one that was killed            | yes                 |
 * | `failed`   | its attachment is FAILED: `retry` may find it here and need not ask Meta | no                  |
 * | `foreign`  | a key that mediaferry never writes                                      | no                  |
 *
 * Null for one that a row names, or may yet name: its attachment is PENDING or UPLOADING, or the object is younger
 * than the grace in which a daemon still tidies up after itself.
 */
export type OrphanKind = 'gone' | 'replaced' | 'probe' | 'failed' | 'foreign'

export interface Orphan extends WalkedObject {
  readonly kind: OrphanKind
}

export const REMOVABLE: ReadonlySet<OrphanKind> = new Set(['gone', 'replaced', 'probe'])

/** `<object_prefix>/<attachment id>-<claim token>.<extension>` */
const OURS = /^([1-9]\d{0,15}|unassigned)\/([1-9]\d{0,15})-[1-9]\d{0,15}\.[a-z0-9]{1,8}$/
const PROBE = /^\.probe\/[0-9a-f-]{36}\.bin$/

/** The attachment that a key was written for; null for a key that is none of ours. */
export function attachmentOf(key: string): { readonly prefix: string; readonly id: number } | null {
  const [, prefix, id] = OURS.exec(key) ?? []
  return prefix === undefined || id === undefined ? null : { prefix, id: Number(id) }
}

/** `bornBefore`: milliseconds since 1970; an object whose age is not known counts as old. */
export function orphanKind(
  { key, createdAt }: WalkedObject,
  bucket: string,
  owner: Owner | undefined,
  bornBefore: number,
): OrphanKind | null {
  if (createdAt !== null && Date.parse(createdAt) > bornBefore) return null
  if (PROBE.test(key)) return 'probe'
  const named = attachmentOf(key)
  if (named === null) return 'foreign'
  if (owner === undefined) return 'gone'
  // A key of ours under another row's prefix, or a row that keeps its files in another bucket.
  if (owner.object_prefix !== named.prefix || owner.bucket !== bucket) return 'foreign'
  switch (owner.upload_status) {
    case 'UPLOADED':
      return owner.object_key === key ? null : 'replaced'
    case 'FAILED':
      return 'failed'
    default:
      return null
  }
}
