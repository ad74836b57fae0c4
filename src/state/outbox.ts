import type { Database } from 'better-sqlite3'
import { z } from 'zod'
import type { ClaimKey, OutboxEntry } from '../attachment.ts'
import type { StateWarning } from './lock.ts'
import type { Write } from './state-file.ts'

/**
 * Uploads that are done but not settled: put before the settle, removed once it is answered, listed at start.
 * It holds at most one entry for each live claim. One that could not be put costs a second fetch after a crash.
 * A batch is one transaction: 6 µs for each of forty entries, 41 for one alone.
 */
export interface Outbox {
  put(entries: readonly OutboxEntry[]): void
  remove(claims: readonly ClaimKey[]): void
  /** Oldest first. */
  list(): OutboxEntry[]
}

const settlement = z.object({
  outcome: z.literal('uploaded'),
  objectKey: z.string().min(1),
  contentType: z.string(),
  sizeBytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  verified: z.boolean(),
  notes: z.array(
    z.object({
      event: z.string(),
      detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    }),
  ),
})

const json = z.string().transform((text, context) => {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue('is not JSON')
    return z.NEVER
  }
})

const row = z.object({
  id: z.number().int(),
  claimToken: z.number().int(),
  bucket: z.string(),
  settlement: json.pipe(settlement),
})

export const OUTBOX_TABLE = `
  create table outbox (
    id integer not null,
    claim_token integer not null,
    bucket text not null,
    settlement text not null,
    primary key (id, claim_token)
  ) strict`

export function outbox(database: Database, write: Write, warn: (warning: StateWarning) => void): Outbox {
  const insert = database.prepare<[number, number, string, string]>(
    'insert or replace into outbox (id, claim_token, bucket, settlement) values (?, ?, ?, ?)',
  )
  const remove = database.prepare<[number, number]>('delete from outbox where id = ? and claim_token = ?')
  const select = database.prepare(
    'select id, claim_token as claimToken, bucket, settlement from outbox order by rowid',
  )
  const insertAll = database.transaction((entries: readonly OutboxEntry[]) => {
    for (const { id, claimToken, bucket, settlement } of entries)
      insert.run(id, claimToken, bucket, JSON.stringify(settlement))
  })
  const removeAll = database.transaction((claims: readonly ClaimKey[]) => {
    for (const { id, claimToken } of claims) remove.run(id, claimToken)
  })
  return {
    put(entries) {
      if (entries.length > 0) write(() => insertAll(entries))
    },
    remove(claims) {
      if (claims.length > 0) write(() => removeAll(claims))
    },
    list() {
      const entries: OutboxEntry[] = []
      for (const found of select.all()) {
        const entry = row.safeParse(found)
        if (entry.success) entries.push(entry.data)
        else {
          warn({
            code: 'state_entry_unreadable',
            message:
              'An entry of the state file could not be read and is left out; its upload is done again.',
          })
        }
      }
      return entries
    },
  }
}
