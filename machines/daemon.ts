/**
 * The daemon's life, from its first line to its exit.
 *
 * starting     The parts are being started, in order. Done → recovering; failed or STOP → closing.
 * recovering   What an earlier life left is cleared up: its claims released, its outbox settled, before any new claim.
 *              Done → running, or paused when the pipeline is; failed or STOP → closing.
 * running      Rows are claimed and carried. PAUSE → paused; STOP → draining.
 * paused       An operator stopped the claiming; what was begun is finished. RESUME → running; STOP → draining.
 * draining     No new claims; what is under way is finished. Done or DRAIN_TIMEOUT over → closing; a second STOP → stopped.
 * closing      The rest is interrupted, everything is flushed and closed in reverse order. Done, failed or taking too
 *              long → stopped or, after a failed start, failed; a second STOP → stopped.
 * stopped (final)   Nothing runs any more.
 * failed (final)    It never got to run, and `failure` says why.
 */
import { assign, type SnapshotFrom, setup } from 'xstate'
import { required } from './required.ts'

export type DaemonEvent =
  | { readonly type: 'PAUSE' }
  | { readonly type: 'RESUME' }
  /** From a signal or the process manager. The second one does not wait for anything. */
  | { readonly type: 'STOP' }

export interface DaemonInput {
  /** Milliseconds that what is under way may take to finish. */
  readonly drainTimeoutMs: number
}

interface DaemonContext extends DaemonInput {
  /** What the start failed with, for the caller to throw on. */
  readonly failure: unknown
  readonly hasFailed: boolean
}

export interface DaemonOutput {
  readonly failed: boolean
  readonly failure: unknown
}

/** Interrupting, flushing and closing takes a second or two when the database answers, and is not worth more. */
export const CLOSE_TIMEOUT_MS = 5000

const words = setup({
  types: {
    context: {} as DaemonContext,
    events: {} as DaemonEvent,
    input: {} as DaemonInput,
    output: {} as DaemonOutput,
    tags: {} as 'ready' | 'claiming',
  },
  actors: {
    /** Starts every part, in order. */
    start: required<void, undefined>('start'),
    /** Releases the claims of an earlier life, settles the outbox. Resolves with whether the pipeline is paused. */
    recover: required<{ paused: boolean }, undefined>('recover'),
    /** Resolves when nothing is under way any more. */
    drain: required<void, undefined>('drain'),
    /** Interrupts what is left, flushes, closes all that was started, in reverse. */
    close: required<void, undefined>('close'),
  },
  actions: {
    noteFailure: assign({ failure: (_, params: { error: unknown }) => params.error, hasFailed: true }),
  },
  guards: {
    hasFailed: ({ context }) => context.hasFailed,
  },
  delays: {
    drain: ({ context }) => context.drainTimeoutMs,
    close: CLOSE_TIMEOUT_MS,
  },
})

const ends = [{ guard: 'hasFailed', target: 'failed' }, { target: 'stopped' }] as const

export const daemonMachine = words.createMachine({
  id: 'daemon',
  context: ({ input }) => ({
    drainTimeoutMs: input.drainTimeoutMs,
    failure: null,
    hasFailed: false,
  }),
  initial: 'starting',
  states: {
    starting: {
      on: { STOP: 'closing' },
      invoke: {
        id: 'start',
        src: 'start',
        onDone: 'recovering',
        onError: {
          target: 'closing',
          actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    recovering: {
      on: { STOP: 'closing' },
      invoke: {
        id: 'recover',
        src: 'recover',
        onDone: [{ guard: ({ event }) => event.output.paused, target: 'paused' }, { target: 'running' }],
        onError: {
          target: 'closing',
          actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    running: { tags: ['ready', 'claiming'], on: { PAUSE: 'paused', STOP: 'draining' } },
    paused: { tags: 'ready', on: { RESUME: 'running', STOP: 'draining' } },
    draining: {
      on: { STOP: 'stopped' },
      invoke: { id: 'drain', src: 'drain', onDone: 'closing', onError: 'closing' },
      after: { drain: 'closing' },
    },
    closing: {
      on: { STOP: ends },
      invoke: { id: 'close', src: 'close', onDone: ends, onError: ends },
      after: { close: ends },
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
  output: ({ context }): DaemonOutput => ({ failed: context.hasFailed, failure: context.failure }),
})

export type DaemonSnapshot = SnapshotFrom<typeof daemonMachine>
