import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Json } from '../../../src/database/types.gen.ts'
import type { Command, Scenario } from './commands.ts'
import { comparable, comparableTables } from './comparable.ts'
import { modelSide } from './model-side.ts'
import type { PostgresSide } from './postgres-side.ts'
import { type FunctionCommand, type Identities, type Known, type KnownClaim, requestFor } from './requests.ts'
import { HOUR_MS, type Outcome, type Side } from './side.ts'

/** The two do not agree: on the answer to a command, or in the end on what stands in the tables. */
export class Disagreement extends Error {
  readonly at: Command['does'] | 'tables'
  readonly model: Json
  readonly sql: Json

  constructor(at: Command['does'] | 'tables', model: Json, sql: Json, transcript: readonly string[]) {
    super(
      [
        `The model and PostgreSQL differ: ${at}.`,
        ...transcript.slice(-12),
        `model:      ${JSON.stringify(model)}`,
        `PostgreSQL: ${JSON.stringify(sql)}`,
      ].join('\n'),
    )
    this.name = 'Disagreement'
    this.at = at
    this.model = model
    this.sql = sql
  }
}

/** What a scenario has met, so that a test can say that all of it was met. */
export type Met = (what: string) => void

/**
 * Runs the same commands on a new model and on PostgreSQL, one after the other, and throws a Disagreement at the
 * first answer that differs, or in the end at the first table.
 */
export async function runOnBoth(
  { connections, commands }: Scenario,
  postgres: PostgresSide,
  identities: Identities,
  met: Met,
): Promise<void> {
  await postgres.reset()
  const model = modelSide()
  const sides: readonly [Seen, Seen] = [
    { side: model, xidOf: new Map() },
    { side: postgres, xidOf: new Map() },
  ]
  const open = new Set<number>()
  const transcript: string[] = []
  const ids = new Set<number>()
  const claims: KnownClaim[] = []

  for (const command of commands) {
    const on = command.on % connections
    if (command.does === 'transaction') {
      if (open.has(on) === (command.step === 'begin')) continue
      await step(sides, on, command.step)
      if (command.step === 'begin') open.add(on)
      else open.delete(on)
    } else if (command.does === 'advance') {
      if (open.size > 0) continue
      for (const { side } of sides) await side.advance(command.seconds)
    } else {
      const known = { ids: [...ids], claims }
      const ask = (seen: Seen) => askSide(seen, on, command, known, identities)
      const [ours, theirs] = [await ask(sides[0]), await ask(sides[1])]
      const where = open.has(on) ? `${on}, in a transaction` : on
      transcript.push(`${where}: ${ours.request} -> ${JSON.stringify(ours.outcome)}`)
      if (!isDeepStrictEqual(ours.outcome, theirs.outcome)) {
        throw new Disagreement(command.does, ours.outcome, theirs.outcome, transcript)
      }
      learn(command, ours.raw, ids, claims)
      meet(command, ours.raw, met)
      continue
    }
    transcript.push(`${on}: ${JSON.stringify(command)}`)
  }
  for (const on of open) await step(sides, on, 'commit')
  compareTables(
    comparableTables(await model.tables(), model.hour()),
    comparableTables(await postgres.tables(), postgres.hour()),
    transcript,
  )
  for (const { event } of (await model.tables()).events ?? []) met(`event ${event}`)
  met(`${connections} connections`)
}

async function step(sides: readonly Seen[], on: number, how: 'begin' | 'commit' | 'rollback'): Promise<void> {
  for (const { side } of sides) await (how === 'begin' ? side.begin(on) : side.end(on, how))
}

interface Seen {
  readonly side: Side
  /** `created_xid` of each row that this side's `attachments_after` has answered. */
  readonly xidOf: Map<number, string>
}

async function askSide(
  { side, xidOf }: Seen,
  on: number,
  command: FunctionCommand,
  known: Known,
  identities: Identities,
) {
  const reckoning = {
    hoursAgo: (hours: number, ms: number) => new Date(side.hour() - hours * HOUR_MS + ms).toISOString(),
    xidOf: (id: number) => xidOf.get(id) ?? null,
  }
  const { name, args } = requestFor(command, known, reckoning, identities)
  const raw = await side.call(on, name, args)
  if (command.does === 'after' && 'answer' in raw) {
    for (const row of afterShape.parse(raw.answer).rows) xidOf.set(row.id, row.created_xid)
  }
  const request = `${name} ${JSON.stringify(args)}`
  return { request, raw, outcome: comparable(raw, side.hour(), xidOf) }
}

const afterShape = z.object({ rows: z.array(z.object({ id: z.number(), created_xid: z.string() })) })
const ingestShape = z.object({ messages: z.array(z.object({ attachment_id: z.number().nullable() })) })
const claimShape = z.object({
  claims: z.array(z.object({ id: z.number(), claim_token: z.number(), object_prefix: z.string() })),
})

/** What later commands may name: rows and claims. */
function learn(command: FunctionCommand, raw: Outcome, ids: Set<number>, claims: KnownClaim[]): void {
  if (!('answer' in raw)) return
  for (const { attachment_id: id } of ingestShape.safeParse(raw.answer).data?.messages ?? []) {
    if (id !== null) ids.add(id)
  }
  if (command.does !== 'claim') return
  for (const one of claimShape.parse(raw.answer).claims) {
    claims.push({ id: one.id, token: one.claim_token, prefix: one.object_prefix, worker: command.worker })
  }
}

const settleShape = z.object({ answers: z.array(z.object({ answer: z.string() })) })
const outcomesShape = z.object({ messages: z.array(z.object({ outcome: z.string() })) })

function meet(command: Command, raw: Outcome, met: Met): void {
  met('sqlstate' in raw ? `${command.does} ${raw.sqlstate}` : command.does)
  if ('sqlstate' in raw) return
  for (const { answer } of settleShape.safeParse(raw.answer).data?.answers ?? []) met(`settle ${answer}`)
  for (const { outcome } of outcomesShape.safeParse(raw.answer).data?.messages ?? []) met(`ingest ${outcome}`)
}

function compareTables(ours: Json, theirs: Json, transcript: readonly string[]): void {
  if (isDeepStrictEqual(ours, theirs)) return
  throw new Disagreement('tables', differing(ours, theirs), differing(theirs, ours), transcript)
}

/** Only what differs, so that it can be read. */
function differing(one: Json, other: Json): Json {
  if (isDeepStrictEqual(one, other)) return null
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.filter((value, place) => !isDeepStrictEqual(value, other[place]))
  }
  if (!isObject(one) || !isObject(other)) return one
  const entries = Object.entries(one).filter(([key, value]) => !isDeepStrictEqual(value, other[key]))
  return Object.fromEntries(
    entries.map(([key, value]) => [key, differing(value ?? null, other[key] ?? null)]),
  )
}

const isObject = (value: Json): value is { [key: string]: Json | undefined } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
