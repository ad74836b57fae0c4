import type { Claim, Dependency } from '../../src/attachment.ts'
import { attachmentStarter, type FinishedRun } from '../../src/dispatch/attachment-run.ts'
import { type ClaimAnswer, createDispatcher } from '../../src/dispatch/dispatcher.ts'
import type { Holder } from '../../src/dispatch/leases.ts'
import { door, heldWork, SILENT, settled } from './support.ts'

/** A dispatcher with real actors whose claims, lanes and settlements all wait for the test. */
export function bench(concurrency: number, now = () => 0) {
  const held = heldWork()
  const claiming = door<[readonly number[], number], ClaimAnswer>()
  const finished: FinishedRun[] = []
  const failed: unknown[] = []
  const leases = new Map<number, Holder>()
  const answered: { asked: readonly number[]; given: readonly number[] }[] = []
  const state: { open: Dependency | null; woken: number[] } = { open: null, woken: [] }
  const dispatcher = createDispatcher({
    concurrency,
    claim: claiming.ask,
    takeWoken: most => state.woken.splice(0, most),
    onClaimed: (asked, given) => answered.push({ asked, given }),
    start: attachmentStarter(held.work),
    onClaimFailed: error => failed.push(error),
    onFinished: run => finished.push(run),
    circuits: { firstOpen: () => state.open, waitMs: () => 7000 },
    leases: {
      hold: ({ id }, _, holder) => leases.set(id, holder),
      drop: ({ id }) => leases.delete(id),
      stop: () => leases.clear(),
    },
    log: SILENT,
    now,
  })
  const give = async (claims: readonly Claim[], paused = false) => {
    claiming.at(claiming.calls.length - 1).resolve({ paused, claims, workerLost: [] })
    await settled()
  }
  return {
    ...held,
    dispatcher,
    claiming,
    finished,
    failed,
    answered,
    leases,
    state,
    /** Answers the newest claim. */
    give,
    async lookAndGive(claims: readonly Claim[]) {
      dispatcher.look()
      await give(claims)
    },
    /** Ends the transfer of the n-th lane that was begun. */
    async endLane(index: number) {
      held.lane.at(index).resolve(undefined)
      await settled()
    },
    async answer(index: number, answer: 'applied' | 'lost' = 'applied') {
      held.settle.at(index).resolve(answer)
      await settled()
    },
    asked: () => claiming.calls.map(({ args: [, max] }) => max),
  }
}
