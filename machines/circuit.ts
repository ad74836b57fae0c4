/**
 * One dependency (whatsapp, storage or database): may we ask it, or is it down as a whole?
 *
 * closed      It works, or nothing speaks against it. TRIP → open. After a calm minute the next outage starts with
 *             short waits again; one that comes sooner goes on where the last one stopped.
 * open        It is down and nothing that needs it is claimed. The wait over → probing; PROBE_OK (somebody else saw
 *             it work) → closed; a TRIP that names a later time starts the wait anew.
 * probing     The neutral probe asks it, never with an attachment. Done or PROBE_OK → closed; failed, PROBE_FAILED, or
 *             a TRIP that names a time → open, with a longer wait.
 *
 * Emits `opened` once when an outage begins and `closed` once when it is over.
 */
import { assign, emit, type SnapshotFrom, setup } from 'xstate'
import type { Dependency, Failure } from '../src/attachment.ts'
import { adviceFor } from './advice.ts'
import { required } from './required.ts'

/** What a circuit keeps of a failure. */
export interface Outage {
  readonly code: string
  readonly message: string
  readonly retryAfterMs?: number
}

export type CircuitEvent =
  | { readonly type: 'TRIP'; readonly failure: Outage }
  | { readonly type: 'PROBE_OK' }
  | { readonly type: 'PROBE_FAILED'; readonly failure: Outage }

export type CircuitEmitted =
  | ({ readonly type: 'opened' } & OpenedCircuit)
  | {
      readonly type: 'closed'
      readonly dependency: Dependency
      readonly code: string
      readonly probes: number
    }

export interface OpenedCircuit {
  readonly dependency: Dependency
  readonly code: string
  readonly message: string
  /** What the operator should do. */
  readonly advice: string
  /** Milliseconds until the first probe. */
  readonly probeInMs: number
}

export interface CircuitInput {
  readonly dependency: Dependency
  /** Turns what the probe threw into a failure. Pure, and never throws. */
  readonly failureOf: (error: unknown) => Failure
  /** 0 (included) to 1 (excluded), like Math.random. */
  readonly random: () => number
}

interface CircuitContext extends CircuitInput {
  readonly outage: Outage | null
  /** Waits of this outage so far, the running one included. Also those of the last one, until it is a calm minute ago. */
  readonly waits: number
  /** Probes sent in this outage. */
  readonly probes: number
  /** The running wait (open), or the last one. */
  readonly waitMs: number
}

/** First wait, before the jitter takes up to half of it away. Doubles with each wait. */
export const FIRST_WAIT_MS = 1000
/** No two probes are further apart, unless the dependency itself asked for it. */
export const LONGEST_WAIT_MS = 60_000
/** A Retry-After beyond this is taken as this: a proxy that says "next year" must not stop us for ever. */
export const LONGEST_RETRY_AFTER_MS = 3_600_000
/** How long a circuit stays closed before an outage counts as a new one. */
export const CALM_MS = 60_000

/**
 * Milliseconds until the next probe. `waits` is how many there were before this one in the outage; `random`
 * is in [0, 1). Jitter only shortens, to between half of the wait and all of it, so that many daemons do not
 * probe in step and none is later than promised. A Retry-After is obeyed, never shortened.
 */
export function probeDelay(waits: number, retryAfterMs: number | undefined, random: number): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(waits, 16))
  const jittered = Math.round(full * (1 - random / 2))
  return Math.max(jittered, Math.min(retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS))
}

const words = setup({
  types: {
    context: {} as CircuitContext,
    events: {} as CircuitEvent,
    input: {} as CircuitInput,
    emitted: {} as CircuitEmitted,
  },
  actors: {
    /** Resolves when the dependency works; rejects with what `failureOf` understands. */
    probe: required<void, { dependency: Dependency }>('probe'),
  },
  actions: {
    noteOutage: assign(({ context }, { failure }: { failure: Outage }) => ({
      outage: { code: failure.code, message: failure.message },
      waits: context.waits + 1,
      waitMs: probeDelay(context.waits, failure.retryAfterMs, context.random()),
    })),
    countProbe: assign({ probes: ({ context }) => context.probes + 1 }),
    forgetOutage: assign({ outage: null, probes: 0 }),
    forgetWaits: assign({ waits: 0 }),
    tellOpened: emit(({ context }): CircuitEmitted => {
      const { code, message } = context.outage ?? UNKNOWN
      const { dependency, waitMs } = context
      return {
        type: 'opened',
        dependency,
        code,
        message,
        advice: adviceFor(dependency, code),
        probeInMs: waitMs,
      }
    }),
    tellClosed: emit(
      ({ context }): CircuitEmitted => ({
        type: 'closed',
        dependency: context.dependency,
        code: (context.outage ?? UNKNOWN).code,
        probes: context.probes,
      }),
    ),
  },
  guards: {
    namesLaterTime: ({ context }, { failure }: { failure: Outage }) =>
      Math.min(failure.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS) > context.waitMs,
    namesTime: (_, { failure }: { failure: Outage }) => failure.retryAfterMs !== undefined,
  },
  delays: {
    wait: ({ context }) => context.waitMs,
    calm: CALM_MS,
  },
})

const UNKNOWN: Outage = { code: 'unknown', message: '' }

export const circuitMachine = words.createMachine({
  id: 'circuit',
  context: ({ input }) => ({
    dependency: input.dependency,
    failureOf: input.failureOf,
    random: input.random,
    outage: null,
    waits: 0,
    probes: 0,
    waitMs: 0,
  }),
  initial: 'closed',
  states: {
    closed: {
      after: { calm: { actions: 'forgetWaits' } },
      on: {
        TRIP: {
          target: 'open',
          actions: [
            { type: 'noteOutage', params: ({ event }) => ({ failure: event.failure }) },
            'tellOpened',
          ],
        },
      },
    },
    open: {
      after: { wait: 'probing' },
      on: {
        PROBE_OK: { target: 'closed', actions: ['tellClosed', 'forgetOutage'] },
        TRIP: {
          guard: { type: 'namesLaterTime', params: ({ event }) => ({ failure: event.failure }) },
          target: 'open',
          reenter: true,
          actions: { type: 'noteOutage', params: ({ event }) => ({ failure: event.failure }) },
        },
      },
    },
    probing: {
      entry: 'countProbe',
      on: {
        PROBE_OK: { target: 'closed', actions: ['tellClosed', 'forgetOutage'] },
        PROBE_FAILED: {
          target: 'open',
          actions: { type: 'noteOutage', params: ({ event }) => ({ failure: event.failure }) },
        },
        TRIP: {
          guard: { type: 'namesTime', params: ({ event }) => ({ failure: event.failure }) },
          target: 'open',
          actions: { type: 'noteOutage', params: ({ event }) => ({ failure: event.failure }) },
        },
      },
      invoke: {
        id: 'probe',
        src: 'probe',
        input: ({ context }) => ({ dependency: context.dependency }),
        onDone: { target: 'closed', actions: ['tellClosed', 'forgetOutage'] },
        onError: {
          target: 'open',
          actions: {
            type: 'noteOutage',
            params: ({ context, event }) => ({ failure: context.failureOf(event.error) }),
          },
        },
      },
    },
  },
})

export type CircuitSnapshot = SnapshotFrom<typeof circuitMachine>
