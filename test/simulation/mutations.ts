import type { Invariant } from './judge.ts'

/** Changes to the daemon that the simulation has to catch: what makes it safe, taken out. */
export interface Mutation {
  readonly name: string
  /** Below the repository's root. */
  readonly file: string
  /** Stands there exactly once. */
  readonly find: string
  readonly replace: string
  /** Where it is caught, or shortly after: among the seeds that `npm test` runs unchanged. */
  readonly seed: number
  /** The invariants one of which has to break. */
  readonly caughtBy: readonly Invariant[]
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'leases are not renewed',
    seed: 13,
    file: 'src/dispatch/leases.ts',
    find: 'if (!renewing && held.size > 0 && now() >= renewAt) void renewAll()\n    else schedule()',
    replace: 'renewAt = Number.POSITIVE_INFINITY\n    schedule()',
    caughtBy: [
      'a lease is only lost by a worker that was dead, frozen or cut off',
      'nobody works on a claim whose lease is over',
    ],
  },
  {
    name: 'a lease that ran out here is not given up',
    seed: 14,
    file: 'src/dispatch/leases.ts',
    find: "if (claim.until <= at) lose(claim, 'the lease ran out here')",
    replace: 'void [claim, at]',
    caughtBy: ['nobody works on a claim whose lease is over'],
  },
  {
    name: 'a lost lease does not stop the work',
    seed: 14,
    file: 'src/dispatch/attachment-run.ts',
    find: "loseLease: () => send({ type: 'LEASE_LOST' }),",
    replace: 'loseLease: () => undefined,',
    caughtBy: ['nobody works on a claim whose lease is over'],
  },
  {
    name: 'the object key has no token',
    seed: 1,
    file: 'src/transfer/object-key.ts',
    find: 'return keyFor(parts, parts.claimToken)',
    replace: 'return keyFor(parts, 1)',
    caughtBy: ['no object of an UPLOADED row is touched', 'an UPLOADED row names its whole bytes'],
  },
  {
    name: 'the outbox is not settled at the start',
    seed: 51,
    file: 'src/daemon.ts',
    find: '  await ask(pipeline.settleOutbox)\n',
    replace: '',
    caughtBy: ['what an earlier life stored is settled before its row is claimed anew'],
  },
  {
    name: 'the outbox is settled after new claims',
    seed: 51,
    file: 'src/daemon.ts',
    find: '  await ask(pipeline.settleOutbox)\n',
    replace: '  setTimeout(() => void pipeline.settleOutbox().catch(() => undefined), 5000)\n',
    caughtBy: ['what an earlier life stored is settled before its row is claimed anew'],
  },
  {
    name: 'a suspect does not wait until the others are through',
    seed: 6,
    file: 'src/dispatch/dispatcher.ts',
    find: '    await Promise.race([run.done, Promise.all(others.map(other => other.done))])\n',
    replace: '',
    caughtBy: ['a suspect runs alone'],
  },
  {
    name: 'rows are claimed beside a suspect',
    seed: 6,
    file: 'src/dispatch/dispatcher.ts',
    find: 'if (draining || claiming || alone) return',
    replace: 'if (draining || claiming) return',
    caughtBy: ['a suspect runs alone'],
  },
]
