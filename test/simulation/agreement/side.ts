import type { Json } from '../../../src/database/types.gen.ts'
import type { JsonObject } from '../model/database.ts'

/** What a call came to: an answer, or the SQLSTATE of an error. */
export type Outcome = { readonly answer: Json } | { readonly sqlstate: string }

export type Tables = Readonly<Record<string, readonly JsonObject[]>>

/** The model, or PostgreSQL: connections by number, and a clock that the commands move. */
export interface Side {
  call(on: number, name: string, args: JsonObject): Promise<Outcome>
  begin(on: number): Promise<void>
  end(on: number, how: 'commit' | 'rollback'): Promise<void>
  /** That much time passes. Only while no transaction is open. */
  advance(seconds: number): Promise<void>
  /** Milliseconds since the epoch: the beginning, moved by what has been advanced. It stands still otherwise. */
  hour(): number
  /** All tables. Times are texts or milliseconds since the epoch. */
  tables(): Promise<Tables>
}

export const HOUR_MS = 3_600_000
