import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import type { z } from 'zod'
import { type Carrier, openCarrier } from './carrier.ts'
import { DatabaseError, databaseError } from './database-error.ts'
import type { Database as Types } from './types.gen.ts'

type Functions = Types['public']['Functions']
type FunctionName = keyof Functions

export interface DatabaseOptions {
  readonly url: string
  readonly key: string
  /** A call that takes longer counts as not answered. */
  readonly timeoutMs?: number
}

const CALL_TIMEOUT_MS = 15_000

/** The Data API, typed. What it throws is a DatabaseError. */
export interface Client {
  call<Name extends FunctionName, Shape extends z.ZodType>(
    name: Name,
    args: Functions[Name]['Args'],
    shape: Shape,
  ): Promise<z.output<Shape>>
  readonly from: SupabaseClient<Types>['from']
  /** Calls that are still under way reject. */
  close(): Promise<void>
}

/** Opens a client of the Data API: supabase-js speaks, the carrier carries. */
export function openClient(options: DatabaseOptions, given?: Carrier): Client {
  const carrier = given ?? openCarrier(options.timeoutMs ?? CALL_TIMEOUT_MS)
  const client = createClient<Types>(options.url, options.key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { fetch: carrier.fetch },
  })

  async function call<Name extends FunctionName, Shape extends z.ZodType>(
    name: Name,
    args: Functions[Name]['Args'],
    shape: Shape,
  ): Promise<z.output<Shape>> {
    const { data, error, status } = await client.rpc(name, args)
    if (error !== null) throw databaseError(error, status)
    const parsed = shape.safeParse(data)
    if (parsed.success) return parsed.data
    throw otherShape(name, firstFault(parsed.error), parsed.error)
  }

  return { call, from: client.from.bind(client), close: carrier.close }
}

type Refused = Parameters<typeof databaseError>[0]

type Selected<Row> =
  | { readonly data: Row[]; readonly error: null; readonly status: number }
  | { readonly data: null; readonly error: Refused; readonly status: number }

/** The rows that a `select` of `from` has given. Throws a DatabaseError when it gave none for another reason. */
export function rowsOf<Row>({ data, error, status }: Selected<Row>): Row[] {
  if (error !== null) throw databaseError(error, status)
  return data
}

export const firstFault = ({ issues: [fault] }: z.ZodError): string =>
  `${fault?.path.join('.')}: ${fault?.message}`

export function otherShape(name: string, fault: string, cause?: unknown): DatabaseError {
  const message = `${name} answered in another shape than this version knows (${fault}).`
  return new DatabaseError(
    { verdict: 'interrupted', dependency: 'database', code: 'schema', message },
    false,
    cause,
  )
}
