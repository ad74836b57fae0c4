/**
 * The Realtime subscription. Joined, open and SUBSCRIBED prove nothing: most of Realtime's failures are silent, so
 * only a canary that came back, a row of our own that was written on purpose, makes it "hearing". In every other
 * state the sweep runs each second.
 *
 * connecting   A join is on its way; realtime-js itself tries again after a drop. SUBSCRIBED → joined.answered;
 *              SYSTEM_OK → joined.proving; nothing for long, an error frame or CLOSED → deaf.
 * joined       The join was answered. A drop → connecting; an error frame or CLOSED → deaf; CANARY_HEARD → hearing.
 *   answered   The server does not listen yet (up to 2.7 s when it is cold). SYSTEM_OK → proving; none for long → deaf.
 *   proving    The server says that it listens; a canary is out. CANARY_LATE → deaf. A canary that cannot be written
 *              leaves us here: that is the database's trouble.
 * hearing      The last canary came back. CANARY_LATE, MISSES, an error frame or CLOSED → deaf; a drop → connecting.
 * deaf         It is known not to hear. A late canary → hearing (when it was only late); SYSTEM_OK → joined.proving;
 *              the wait over → rebuilding.
 * rebuilding   The old channel is left and a new one made; every third time, or when many drops have worn it out, the
 *              whole client. Done → connecting; failed → deaf.
 *
 * Every SYSTEM_OK emits `catchUp` (what was committed before it is lost to us) and `prove` (send a canary now); so
 * does, without the canary, the end of a deafness. Going deaf emits `sweepNow`. There is no final state: it is stopped from outside.
 */
import { assign, emit, setup } from 'xstate'
import { required } from './required.ts'

export type SubscriptionEvent =
  /** The statuses of realtime-js; DROPPED is CHANNEL_ERROR and TIMED_OUT, after which it joins again by itself. */
  | { readonly type: 'SUBSCRIBED' }
  | { readonly type: 'DROPPED'; readonly message: string }
  | { readonly type: 'CLOSED' }
  /** The `system` frames of the server: only from the ok one on does it listen. */
  | { readonly type: 'SYSTEM_OK' }
  | { readonly type: 'SYSTEM_ERROR'; readonly message: string }
  | { readonly type: 'CANARY_HEARD' }
  | { readonly type: 'CANARY_LATE' }
  /** Three catch-ups running found rows that were never announced. */
  | { readonly type: 'MISSES' }

export type SubscriptionEmitted =
  | { readonly type: 'catchUp' }
  | { readonly type: 'prove' }
  | { readonly type: 'sweepNow' }

/** Why it does not hear at the moment. */
export interface NotHearing {
  readonly code:
    | 'starting'
    | 'dropped'
    | 'join_timeout'
    | 'system_silent'
    | 'system_error'
    | 'closed'
    | 'canary_late'
    | 'misses'
    | 'worn_out'
    | 'rebuild_failed'
  readonly message: string
}

export interface SubscriptionInput {
  /** 0 (included) to 1 (excluded), like Math.random. */
  readonly random: () => number
}

interface SubscriptionContext extends SubscriptionInput {
  /** Null while hearing. */
  readonly cause: NotHearing | null
  /** Rebuilds since it last heard for a calm minute: how long to wait before the next. */
  readonly rebuilds: number
  /** Channels made anew on the present client. */
  readonly rejoins: number
  /** Drops that the present client has lived through. */
  readonly drops: number
}

/** realtime-js gives up a join after 10 s and tries again by itself; this is longer. */
export const JOIN_TIMEOUT_MS = 25_000
/** From the join's answer to the system frame: 2.7 s was the longest on a cold server. */
export const SYSTEM_TIMEOUT_MS = 10_000
/** Every so many rebuilds of the channel, the whole client. */
export const REJOINS_PER_CLIENT = 2
/** Each drop leaves handlers behind in realtime-js: after 20 drops there were 22 open ones. */
export const DROPS_PER_CLIENT = 20
/** How long it must hear before trouble counts as new. */
export const CALM_MS = 60_000
const LONGEST_WAIT_MS = 30_000

/**
 * Milliseconds from going deaf to rebuilding. The first second gives a canary that is only late the time to
 * arrive; later waits double, up to 30 s, and jitter takes up to half away. `random` is in [0, 1).
 */
export function rebuildDelay(rebuilds: number, random: number): number {
  const full = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(rebuilds, 16))
  return Math.round(full * (1 - random / 2))
}

const CAUSE = {
  joinTimeout: { code: 'join_timeout', message: 'The Realtime server did not answer the join.' },
  systemSilent: {
    code: 'system_silent',
    message: 'The Realtime server answered the join and never began to listen.',
  },
  closed: { code: 'closed', message: 'The Realtime server closed the channel.' },
  canaryLate: { code: 'canary_late', message: 'A change of our own row was not announced in time.' },
  misses: {
    code: 'misses',
    message: 'New rows of attachments are not announced; see the publication supabase_realtime.',
  },
  wornOut: { code: 'worn_out', message: 'The connection was dropped often; the client is being replaced.' },
} as const satisfies Record<string, NotHearing>

const words = setup({
  types: {
    context: {} as SubscriptionContext,
    events: {} as SubscriptionEvent,
    input: {} as SubscriptionInput,
    emitted: {} as SubscriptionEmitted,
    /** `listening`: the server has said that it listens; `hearing`: it was proven. */
    tags: {} as 'listening' | 'hearing',
  },
  actors: {
    /** Leaves the old channel, or with `whole` closes the client, and joins anew. Resolves once the join was sent. */
    rebuild: required<void, { whole: boolean }>('rebuild'),
  },
  actions: {
    noteCause: assign({ cause: (_, params: { cause: NotHearing }) => params.cause }),
    noteDrop: assign({
      cause: ({ event }) => withMessage('dropped', 'The connection to Realtime was dropped', event),
    }),
    noteRefusal: assign({
      cause: ({ event }) => withMessage('system_error', 'Realtime refuses the subscription', event),
    }),
    forgetCause: assign({ cause: null }),
    countDrop: assign({ drops: ({ context }) => context.drops + 1 }),
    countRebuild: assign(({ context }) => ({
      rebuilds: context.rebuilds + 1,
      ...(isWorn(context) ? { rejoins: 0, drops: 0 } : { rejoins: context.rejoins + 1 }),
    })),
    forgetRebuilds: assign({ rebuilds: 0 }),
    catchUp: emit({ type: 'catchUp' }),
    prove: emit({ type: 'prove' }),
    sweepNow: emit({ type: 'sweepNow' }),
  },
  guards: {
    manyDrops: ({ context }) => context.drops + 1 >= DROPS_PER_CLIENT,
    onlyLate: ({ context }) => context.cause?.code === 'canary_late',
  },
  delays: {
    join: JOIN_TIMEOUT_MS,
    system: SYSTEM_TIMEOUT_MS,
    calm: CALM_MS,
    rebuild: ({ context }) => rebuildDelay(context.rebuilds, context.random()),
  },
})

function withMessage(code: NotHearing['code'], text: string, event: SubscriptionEvent): NotHearing {
  return { code, message: 'message' in event ? `${text}: ${event.message}` : text }
}

function isWorn({ rejoins, drops }: SubscriptionContext): boolean {
  return rejoins >= REJOINS_PER_CLIENT || drops >= DROPS_PER_CLIENT
}

const because = <const C extends NotHearing>(cause: C) => ({ type: 'noteCause', params: { cause } }) as const

/** What ends hearing and joining alike. */
const troubles = {
  DROPPED: [
    { guard: 'manyDrops', target: '#subscription.deaf', actions: ['countDrop', because(CAUSE.wornOut)] },
    { target: '#subscription.connecting', actions: ['countDrop', 'noteDrop'] },
  ],
  CLOSED: { target: '#subscription.deaf', actions: because(CAUSE.closed) },
  SYSTEM_ERROR: { target: '#subscription.deaf', actions: 'noteRefusal' },
} as const

export const subscriptionMachine = words.createMachine({
  id: 'subscription',
  context: ({ input }) => ({
    random: input.random,
    cause: { code: 'starting', message: 'The Realtime channel is being joined for the first time.' },
    rebuilds: 0,
    rejoins: 0,
    drops: 0,
  }),
  initial: 'connecting',
  states: {
    connecting: {
      on: {
        ...troubles,
        SUBSCRIBED: 'joined.answered',
        SYSTEM_OK: { target: 'joined.proving', actions: ['catchUp', 'prove'] },
      },
      after: { join: { target: 'deaf', actions: because(CAUSE.joinTimeout) } },
    },
    joined: {
      initial: 'answered',
      on: {
        ...troubles,
        SYSTEM_OK: { target: '.proving', actions: ['catchUp', 'prove'] },
        CANARY_HEARD: 'hearing',
      },
      states: {
        answered: {
          after: { system: { target: '#subscription.deaf', actions: because(CAUSE.systemSilent) } },
        },
        proving: {
          tags: 'listening',
          on: { CANARY_LATE: { target: '#subscription.deaf', actions: because(CAUSE.canaryLate) } },
        },
      },
    },
    hearing: {
      tags: ['listening', 'hearing'],
      entry: 'forgetCause',
      on: {
        ...troubles,
        SYSTEM_OK: { actions: ['catchUp', 'prove'] },
        CANARY_LATE: { target: 'deaf', actions: because(CAUSE.canaryLate) },
        MISSES: { target: 'deaf', actions: because(CAUSE.misses) },
      },
      after: { calm: { actions: 'forgetRebuilds' } },
    },
    deaf: {
      entry: 'sweepNow',
      on: {
        CANARY_HEARD: { guard: 'onlyLate', target: 'hearing', actions: 'catchUp' },
        SYSTEM_OK: { target: 'joined.proving', actions: ['catchUp', 'prove'] },
      },
      after: { rebuild: 'rebuilding' },
    },
    rebuilding: {
      exit: 'countRebuild',
      invoke: {
        id: 'rebuild',
        src: 'rebuild',
        input: ({ context }) => ({ whole: isWorn(context) }),
        onDone: 'connecting',
        onError: {
          target: 'deaf',
          actions: {
            type: 'noteCause',
            params: ({ event }) => ({ cause: { code: 'rebuild_failed', message: messageOf(event.error) } }),
          },
        },
      },
    },
  },
})

function messageOf(error: unknown): string {
  return `The Realtime client could not be made anew: ${error instanceof Error ? error.message : String(error)}`
}
