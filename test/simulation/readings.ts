import { z } from 'zod'

/** What the judge reads in the calls of the database. */
const key = z.object({ id: z.number(), claim_token: z.number() })
export type Key = z.output<typeof key>

const claims = z.object({ claims: z.array(key) })
const renewing = z.object({ claims: z.array(key) })
const renewed = z.object({ held: z.array(key) })
const result = key.extend({
  outcome: z.string(),
  object_key: z.string().optional(),
  error_code: z.string().optional(),
})
const settling = z.object({ results: z.array(result) })
const settled = z.object({ answers: z.array(key.extend({ answer: z.string() })) })

export const readClaims = (answer: unknown): readonly Key[] => claims.safeParse(answer).data?.claims ?? []

export function readRenewed(args: unknown, answer: unknown): { asked: readonly Key[]; held: Set<string> } {
  const held = renewed.safeParse(answer).data?.held
  // An error is no word about any claim.
  if (held === undefined) return { asked: [], held: new Set() }
  return {
    asked: renewing.parse(args).claims,
    held: new Set(held.map(each => `${each.id}-${each.claim_token}`)),
  }
}

export function readSettled(
  args: unknown,
  answer: unknown,
): { readonly result: z.output<typeof result>; readonly answer: string }[] {
  const answers = settled.safeParse(answer).data?.answers
  if (answers === undefined) return []
  return settling
    .parse(args)
    .results.map((each, place) => ({ result: each, answer: answers[place]?.answer ?? 'none' }))
}
