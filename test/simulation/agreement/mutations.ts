import type { TestDatabase } from '../../support/database.ts'
import type { Command } from './commands.ts'

/**
 * Safety taken out of a SQL function, one line at a time, and how the difference to the model must look then: at
 * which command, with what in the model's outcome and in PostgreSQL's.
 */
export interface Mutation {
  readonly without: string
  readonly of: string
  readonly replaced: string
  readonly by: string
  readonly times: number
  readonly at: Command['does']
  readonly model: RegExp
  readonly sql: RegExp
}

const SETTLE = 'public.settle_attachments(text, jsonb)'
const CLAIM = 'public.claim_attachments(text, bigint[], integer, interval)'

export const MUTATIONS: readonly Mutation[] = [
  {
    without: 'the token check in settle',
    of: SETTLE,
    replaced: "and l.claim_token = g.claim_token\n          then 'applied'",
    by: "then 'applied'",
    times: 1,
    at: 'settle',
    model: /"answer":"lost"/,
    sql: /"answer":"applied"/,
  },
  {
    without: 'the worker check in settle',
    of: SETTLE,
    replaced: 'and l.leased_by = settle_attachments.worker',
    by: '',
    times: 1,
    at: 'settle',
    model: /"answer":"lost"/,
    sql: /"answer":"applied"/,
  },
  {
    without: 'the limit of attempts',
    of: SETTLE,
    replaced: ' or l.upload_attempts + 1 >= l.max_attempts',
    by: '',
    times: 1,
    at: 'settle',
    model: /"upload_status":"FAILED"/,
    // The table itself does not take an open row without an attempt left.
    sql: /"sqlstate":"23514"/,
  },
  {
    without: 'skip locked in the claim',
    of: CLAIM,
    replaced: ' skip locked',
    by: '',
    times: 5,
    at: 'claim',
    model: /"claims":/,
    sql: /"sqlstate":"55P03"/,
  },
  {
    without: 'the lease check in the claim',
    of: CLAIM,
    replaced: "a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()",
    by: "a.upload_status = 'UPLOADING'",
    times: 4,
    at: 'claim',
    model: /"claims":/,
    sql: /"claims":\[\{/,
  },
  {
    without: 'a claim of its own for each suspect',
    of: CLAIM,
    replaced: 'and a.lost_leases + (a.leased_until is not null)::integer < 2',
    by: '',
    times: 4,
    at: 'claim',
    model: /"claims":/,
    sql: /"lost_leases":[234]/,
  },
  {
    without: 'a pause before a suspect',
    of: 'mediaferry.suspect_pause(integer)',
    replaced: '30 seconds',
    by: '0 seconds',
    times: 1,
    at: 'claim',
    model: /"claims":/,
    sql: /"claims":\[\{[^}]*"lost_leases":2/,
  },
  {
    without: 'a pause that grows',
    of: 'mediaferry.suspect_pause(integer)',
    replaced: '8 minutes',
    by: '2 minutes',
    times: 1,
    at: 'claim',
    model: /"claims":/,
    sql: /"claims":\[\{[^}]*"lost_leases":4/,
  },
  {
    without: 'a new token for each claim',
    of: CLAIM,
    replaced: 'claim_token = a.claim_token + 1',
    by: 'claim_token = greatest(a.claim_token, 1)',
    times: 1,
    at: 'claim',
    model: /"claim_token":2/,
    sql: /"claim_token":1/,
  },
  {
    without: 'the token check in renew',
    of: 'public.renew_leases(text, jsonb, interval)',
    replaced: 'and given.claim_token = a.claim_token',
    by: '',
    times: 1,
    at: 'renew',
    model: /"held":/,
    // It renews what is somebody else's, or waits for it.
    sql: /"held":\[\{|"sqlstate":"55P03"/,
  },
  {
    without: 'the horizon of the cursor',
    of: 'public.attachments_after(xid8, bigint, integer)',
    replaced: 'and a.created_xid < (select h.xid from horizon h)',
    by: '',
    times: 1,
    at: 'after',
    model: /"rows":/,
    sql: /"rows":\[\{/,
  },
]

/** Puts the mutated function into the database. The answer puts the real one back. */
export async function mutate(db: TestDatabase, mutation: Mutation): Promise<() => Promise<void>> {
  const [found] = await db.rows<{ source: string }>('select pg_get_functiondef($1::regprocedure) as source', [
    mutation.of,
  ])
  const source = found?.source ?? ''
  const times = source.split(mutation.replaced).length - 1
  if (times !== mutation.times) {
    throw new Error(`${mutation.without}: found ${times} times in ${mutation.of}, not ${mutation.times}.`)
  }
  await db.rows(source.replaceAll(mutation.replaced, mutation.by))
  return async () => {
    await db.rows(source)
  }
}
