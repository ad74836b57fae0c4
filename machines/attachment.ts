/**
 * One claimed attachment, from its claim to the database's answer. A root actor of its own: it is made when
 * the row is claimed and gone when the row is settled.
 *
 * waiting                 The claim is ours and no lane is free yet. START → UPLOADING; INTERRUPT → UPLOADING.settling;
 *                         LEASE_LOST → released.
 * UPLOADING               A lane works on it. LEASE_LOST → released, INTERRUPT → settling (but see settling).
 *   resolving             Meta is asked for the media's address. Answer → transferring; failure → judging.
 *   transferring          The bytes are on their way to Storage. Stored → settling; refused with an old address →
 *                         resolving, once; failure → judging.
 *   judging               Whose fault was it? A failure that names no cause asks the neutral probe. Verdict → settling.
 *   settling              The database is told. An INTERRUPT changes nothing here: this is finished, not aborted.
 *                         Answer → UPLOADED, FAILED, PENDING or released; no answer → released.
 * UPLOADED (final)        The row names a stored, checked object.
 * FAILED (final)          The row says why, and that was the last attempt.
 * PENDING (final)         The row is back in the queue and due later: a retry, or an interruption that counted nothing.
 * released (final)        The claim is no longer ours, or nobody could say. Nothing more is touched; the lease, the
 *                         outbox and the next claim see to the rest.
 *
 * Leaving a state aborts the signal of the actor that runs in it.
 */
import { assign, type SnapshotFrom, setup } from 'xstate'
import type {
  Claim,
  Dependency,
  Failure,
  ResolvedMedia,
  SettleAnswer,
  Settlement,
  StoredObject,
} from '../src/attachment.ts'
import { required } from './required.ts'

/** Why a claim is let go: the daemon stops, an operator paused it, another must run alone, or a dependency is down. */
export type InterruptReason = 'drain' | 'pause' | 'isolation' | Dependency

export type AttachmentEvent =
  | { readonly type: 'START' }
  | { readonly type: 'LEASE_LOST' }
  | {
      readonly type: 'INTERRUPT'
      readonly reason: InterruptReason
      /** Milliseconds until the row is due again; 0 when left out. */
      readonly retryInMs?: number
    }

export interface AttachmentInput {
  readonly claim: Claim
  /** Turns whatever an actor threw into a failure. Pure, and never throws. */
  readonly failureOf: (error: unknown) => Failure
}

interface AttachmentContext extends AttachmentInput {
  readonly media: ResolvedMedia | null
  readonly failure: Failure | null
  readonly settlement: Settlement | null
  readonly answer: SettleAnswer | null
  readonly resolvedAgain: boolean
}

/** `lost`: nothing was settled, because the claim went away or (then `failure` says why) nobody answered. */
export type AttachmentOutput =
  | { readonly lost: false; readonly settlement: Settlement; readonly answer: SettleAnswer }
  | { readonly lost: true; readonly failure: Failure | null }

/** The download was refused although the id resolved: the address is older than its five minutes. */
export const REFUSED_CODE = 'download_refused'

/** How long a row waits when judging itself broke. That is our fault, so no attempt is spent on it. */
const JUDGE_BROKEN_DELAY_MS = 60_000

export function interruption(reason: InterruptReason, retryInMs = 0): Settlement {
  const text: Record<InterruptReason, readonly [code: string, message: string]> = {
    drain: ['stopping', 'The daemon stopped before this attachment was done.'],
    pause: ['paused', 'The pipeline was paused before this attachment was done.'],
    isolation: ['stood_aside', 'A file that has cost workers their lease had to run alone.'],
    whatsapp: ['whatsapp_down', 'WhatsApp cannot be used at the moment.'],
    storage: ['storage_down', 'Storage cannot be used at the moment.'],
    database: ['database_down', 'The database cannot be used at the moment.'],
  }
  const [code, message] = text[reason]
  return { outcome: 'interrupted', code, message, retryInMs }
}

/** How the row stands by that settlement: the database fails one whose last attempt this was (`settle_attachments`). */
export function outcomeOf(
  settlement: Settlement,
  { uploadAttempts, maxAttempts }: Pick<Claim, 'uploadAttempts' | 'maxAttempts'>,
): Settlement['outcome'] {
  return settlement.outcome === 'retry' && uploadAttempts + 1 >= maxAttempts ? 'failed' : settlement.outcome
}

const words = setup({
  types: {
    context: {} as AttachmentContext,
    events: {} as AttachmentEvent,
    input: {} as AttachmentInput,
    output: {} as AttachmentOutput,
  },
  actors: {
    /** Asks the Graph API where the media is. Rejects with what `failureOf` understands. */
    resolve: required<ResolvedMedia, { claim: Claim }>('resolve'),
    /** Copies the bytes into Storage and checks them. */
    transfer: required<StoredObject, { claim: Claim; media: ResolvedMedia }>('transfer'),
    /** Decides what a failure means; only an `unattributed` one needs the dependency's probe. */
    judge: required<Settlement, { claim: Claim; failure: Failure }>('judge'),
    /** Tells the database, and keeps on telling it while the claim lasts. */
    settle: required<SettleAnswer, { claim: Claim; settlement: Settlement }>('settle'),
  },
  actions: {
    noteFailure: assign({
      failure: ({ context }, params: { error: unknown }) => context.failureOf(params.error),
    }),
    noteSettlement: assign({ settlement: (_, settlement: Settlement) => settlement, failure: null }),
  },
  guards: {
    addressTooOld: ({ context }, params: { error: unknown }) =>
      !context.resolvedAgain && context.failureOf(params.error).code === REFUSED_CODE,
    lost: (_, answer: SettleAnswer) => answer === 'lost',
    uploaded: ({ context }) => context.settlement?.outcome === 'uploaded',
    failed: ({ context: { settlement, claim } }) =>
      settlement !== null && outcomeOf(settlement, claim) === 'failed',
  },
})

export const attachmentMachine = words.createMachine({
  id: 'attachment',
  context: ({ input }) => ({
    claim: input.claim,
    failureOf: input.failureOf,
    media: null,
    failure: null,
    settlement: null,
    answer: null,
    resolvedAgain: false,
  }),
  initial: 'waiting',
  states: {
    waiting: {
      on: {
        START: 'UPLOADING',
        INTERRUPT: {
          target: 'UPLOADING.settling',
          actions: {
            type: 'noteSettlement',
            params: ({ event }) => interruption(event.reason, event.retryInMs),
          },
        },
        LEASE_LOST: 'released',
      },
    },
    UPLOADING: {
      initial: 'resolving',
      on: {
        INTERRUPT: {
          target: '.settling',
          actions: {
            type: 'noteSettlement',
            params: ({ event }) => interruption(event.reason, event.retryInMs),
          },
        },
        LEASE_LOST: 'released',
      },
      states: {
        resolving: {
          invoke: {
            id: 'resolve',
            src: 'resolve',
            input: ({ context }) => ({ claim: context.claim }),
            onDone: { target: 'transferring', actions: assign({ media: ({ event }) => event.output }) },
            onError: {
              target: 'judging',
              actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) },
            },
          },
        },
        transferring: {
          invoke: {
            id: 'transfer',
            src: 'transfer',
            input: ({ context }) => ({ claim: context.claim, media: known(context.media, 'media') }),
            onDone: {
              target: 'settling',
              actions: {
                type: 'noteSettlement',
                params: ({ event }) => ({ outcome: 'uploaded', ...event.output }),
              },
            },
            onError: [
              {
                guard: { type: 'addressTooOld', params: ({ event }) => ({ error: event.error }) },
                target: 'resolving',
                actions: assign({ resolvedAgain: true, media: null }),
              },
              {
                target: 'judging',
                actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) },
              },
            ],
          },
        },
        judging: {
          invoke: {
            id: 'judge',
            src: 'judge',
            input: ({ context }) => ({ claim: context.claim, failure: known(context.failure, 'failure') }),
            onDone: {
              target: 'settling',
              actions: { type: 'noteSettlement', params: ({ event }) => event.output },
            },
            onError: {
              target: 'settling',
              actions: {
                type: 'noteSettlement',
                params: ({ context, event }) => {
                  const { code, message } = context.failureOf(event.error)
                  return { outcome: 'interrupted', code, message, retryInMs: JUDGE_BROKEN_DELAY_MS }
                },
              },
            },
          },
        },
        settling: {
          on: { INTERRUPT: {} },
          invoke: {
            id: 'settle',
            src: 'settle',
            input: ({ context }) => ({
              claim: context.claim,
              settlement: known(context.settlement, 'settlement'),
            }),
            onDone: [
              {
                guard: { type: 'lost', params: ({ event }) => event.output },
                target: '#attachment.released',
                actions: assign({ answer: ({ event }) => event.output }),
              },
              {
                guard: 'uploaded',
                target: '#attachment.UPLOADED',
                actions: assign({ answer: ({ event }) => event.output }),
              },
              {
                guard: 'failed',
                target: '#attachment.FAILED',
                actions: assign({ answer: ({ event }) => event.output }),
              },
              {
                target: '#attachment.PENDING',
                actions: assign({ answer: ({ event }) => event.output }),
              },
            ],
            onError: {
              target: '#attachment.released',
              actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) },
            },
          },
        },
      },
    },
    UPLOADED: { type: 'final' },
    FAILED: { type: 'final' },
    PENDING: { type: 'final' },
    released: { type: 'final' },
  },
  output: ({ context: { settlement, answer, failure } }): AttachmentOutput =>
    settlement !== null && answer !== null
      ? { lost: false, settlement, answer }
      : { lost: true, failure: settlement === null ? null : failure },
})

export type AttachmentSnapshot = SnapshotFrom<typeof attachmentMachine>

/** A state is only entered with what it needs; if that is ever untrue the machine is wrong, not the data. */
function known<T>(value: T | null, what: string): T {
  if (value === null) throw new Error(`attachment machine: no ${what} in this state`)
  return value
}
