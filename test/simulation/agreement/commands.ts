import fc from 'fast-check'

/**
 * What a connection may do. Plain data, so that a failure shrinks and prints well: rows and claims are named by
 * their place among those that have been seen, connections by any number (each modulo how many there are); durations
 * are whole hours, but for how far the clock is moved on.
 */
export type Command =
  | { readonly does: 'transaction'; readonly on: number; readonly step: 'begin' | 'commit' | 'rollback' }
  | { readonly does: 'advance'; readonly on: number; readonly seconds: number }
  | {
      readonly does: 'ingest'
      readonly on: number
      readonly messages: readonly MessageSpec[]
      readonly rejected: readonly number[]
    }
  | {
      readonly does: 'claim'
      readonly on: number
      readonly worker: number
      readonly ids: readonly number[]
      readonly max: number
      readonly hours: number
    }
  | {
      readonly does: 'renew'
      readonly on: number
      readonly worker: number | 'own'
      readonly claims: readonly ClaimPick[]
      readonly hours: number
    }
  | {
      readonly does: 'settle'
      readonly on: number
      readonly worker: number | 'own'
      readonly results: readonly ResultSpec[]
    }
  | { readonly does: 'release' | 'held'; readonly on: number; readonly worker: number }
  | { readonly does: 'after'; readonly on: number; readonly row: number | null; readonly max: number }
  | { readonly does: 'beat'; readonly on: number; readonly worker: number; readonly state: string }
  | {
      readonly does: 'record'
      readonly on: number
      readonly worker: number
      readonly rows: readonly (number | null)[]
      readonly event: string
    }
  | {
      readonly does: 'retry'
      readonly on: number
      readonly rows: readonly number[] | null
      readonly code: string | null
      readonly max: number
    }
  | { readonly does: 'pause'; readonly on: number; readonly paused: boolean; readonly reason: string | null }
  | { readonly does: 'summary'; readonly on: number }

export interface MessageSpec {
  /** Which message: a second one with the same number is a redelivery. */
  readonly message: number
  readonly user: number | null
  readonly phone: number | null
  readonly name: string | null
  readonly media: 'file' | 'none' | 'without id' | 'with error' | 'of unknown kind' | 'of unknown time'
  /** Hours before now at which it was sent; half an hour is added, so that no lease ends at the same moment. */
  readonly sentHoursAgo: number
  readonly maxAttempts: number
}

export interface ClaimPick {
  readonly claim: number
  /** Added to the claim's own token. */
  readonly tokenOff: number
}

export interface ResultSpec extends ClaimPick {
  readonly outcome: 'uploaded' | 'retry' | 'failed' | 'interrupted'
  readonly hours: number
  readonly fault: 'none' | 'no outcome' | "another row's key" | 'empty code'
  readonly note: boolean
}

export const WORKERS = ['w-1', 'w-2', 'w-3']

/** A row or a claim that is not there. */
export const NOT_THERE = 19

const pick = fc.nat(NOT_THERE)
const worker = fc.nat(WORKERS.length - 1)
/** Mostly the first, so that the others keep their edge without drowning it. */
const mostly = <A, B>(usual: A, ...rare: B[]): fc.Arbitrary<A | B> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...rare) })

const claim = fc.oneof({ weight: 19, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.constant(NOT_THERE) })
const ownWorker = mostly('own' as const, 0, 1, 2)

const messageSpec: fc.Arbitrary<MessageSpec> = fc.record({
  message: fc.nat(19),
  user: fc.option(fc.nat(3), { freq: 3 }),
  phone: fc.option(fc.nat(3), { freq: 3 }),
  name: fc.constantFrom(null, 'Ada', 'Grace'),
  media: fc.oneof(
    { weight: 20, arbitrary: fc.constant('file' as const) },
    {
      weight: 5,
      arbitrary: fc.constantFrom(
        'none' as const,
        'without id' as const,
        'with error' as const,
        'of unknown kind' as const,
        'of unknown time' as const,
      ),
    },
  ),
  // From the future to the day before Meta's last, that last day, and past it.
  sentHoursAgo: fc.constantFrom(-1, 0, 1, 30, 143, 145, 150, 160, 170),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
})

const claimPick: fc.Arbitrary<ClaimPick> = fc.record({ claim, tokenOff: mostly(0, -1, 1) })

const resultSpec: fc.Arbitrary<ResultSpec> = fc.record({
  claim,
  tokenOff: mostly(0, -1, 1),
  outcome: fc.constantFrom('uploaded', 'retry', 'failed', 'interrupted'),
  hours: fc.nat(3),
  fault: mostly('none' as const, 'no outcome' as const, "another row's key" as const, 'empty code' as const),
  note: fc.boolean(),
})

const on = fc.nat(7)
const anyRow: fc.Arbitrary<number | null> = fc.option(pick)
const anyRows: fc.Arbitrary<number[] | null> = fc.option(fc.array(pick, { maxLength: 3 }))

const ingest: fc.Arbitrary<Command> = fc.record({
  does: fc.constant('ingest'),
  on,
  messages: fc.array(messageSpec, { maxLength: 4 }),
  rejected: fc.array(fc.nat(2), { maxLength: 1 }),
})

const HOUR_S = 3600
/** The pauses of suspects end after 30, 120 and 480 s: half a minute or more from any few times this. */
const SHORT_S = 72

const advance: fc.Arbitrary<Command> = fc.record({
  does: fc.constant('advance'),
  on,
  seconds: fc.constantFrom(SHORT_S, HOUR_S, HOUR_S, 2 * HOUR_S, 25 * HOUR_S),
})

const KINDS: readonly (readonly [number, fc.Arbitrary<Command>])[] = [
  [3, fc.record({ does: fc.constant('transaction'), on, step: fc.constant('begin') })],
  [
    4,
    fc.record({
      does: fc.constant('transaction'),
      on,
      step: fc.constantFrom('commit', 'commit', 'rollback'),
    }),
  ],
  [2, advance],
  [5, ingest],
  [
    7,
    fc.record({
      does: fc.constant('claim'),
      on,
      worker,
      ids: fc.array(pick, { maxLength: 3 }),
      max: fc.nat(4),
      hours: fc.integer({ min: 1, max: 2 }),
    }),
  ],
  [
    2,
    fc.record({
      does: fc.constant('renew'),
      on,
      worker: ownWorker,
      claims: fc.array(claimPick, { maxLength: 4 }),
      hours: fc.integer({ min: 1, max: 3 }),
    }),
  ],
  [
    6,
    fc.record({
      does: fc.constant('settle'),
      on,
      worker: ownWorker,
      results: fc.array(resultSpec, { maxLength: 4 }),
    }),
  ],
  [2, fc.record({ does: fc.constantFrom('release', 'held'), on, worker })],
  [4, fc.record({ does: fc.constant('after'), on, row: anyRow, max: fc.constantFrom(500, 2, 0) })],
  [1, fc.record({ does: fc.constant('beat'), on, worker, state: fc.constantFrom('running', 'draining') })],
  [
    1,
    fc.record({
      does: fc.constant('record'),
      on,
      worker,
      rows: fc.array(anyRow, { maxLength: 3 }),
      event: mostly('type_differs', ''),
    }),
  ],
  [
    2,
    fc.record({
      does: fc.constant('retry'),
      on,
      rows: anyRows,
      code: fc.constantFrom(null, 'integrity', 'media_gone', 'worker_lost'),
      max: fc.constantFrom(500, 1),
    }),
  ],
  [
    1,
    fc.record({
      does: fc.constant('pause'),
      on,
      paused: mostly(false, true),
      reason: fc.constantFrom(null, 'moving the bucket'),
    }),
  ],
  [1, fc.record({ does: fc.constant('summary'), on })],
]

const command = fc.oneof(...KINDS.map(([weight, arbitrary]) => ({ weight, arbitrary })))

export interface Scenario {
  readonly connections: number
  readonly commands: readonly Command[]
}

/** A worker that takes its files down with it, again and again: five times, and they are FAILED. */
const crashes: fc.Arbitrary<Command[]> = fc
  .record({
    on,
    worker,
    pick,
    /** How long it waits each time, in units of SHORT_S: for none of the pauses, for one, two or all of them. */
    waits: fc.array(fc.constantFrom(0, 1, 2, 6, 7), { minLength: 2, maxLength: 8 }),
  })
  .map(({ on, worker, pick, waits }) =>
    waits.flatMap((units): Command[] => [
      { does: 'claim', on, worker, ids: [pick], max: 2, hours: 1 },
      { does: 'release', on, worker },
      { does: 'advance', on, seconds: units * SHORT_S },
    ]),
  )

const habits = fc.oneof(
  { weight: 40, arbitrary: command.map(one => [one]) },
  { weight: 2, arbitrary: crashes },
)

/** Something to work on, for most of them. */
const beginning = fc.array(ingest, { maxLength: 2 })

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  connections: fc.integer({ min: 2, max: 8 }),
  commands: fc
    .tuple(beginning, fc.array(habits, { maxLength: 60, size: 'max' }))
    .map(([first, each]) => [...first, ...each.flat()]),
})
