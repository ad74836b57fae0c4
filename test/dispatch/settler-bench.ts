import type { TestContext } from 'node:test'
import type {
  Claim,
  Failure,
  OutboxEntry,
  SettleAnswer,
  Settlement,
  SettlementOfClaim,
} from '../../src/attachment.ts'
import { createSettler } from '../../src/dispatch/settler.ts'
import { claimOf, door, SILENT, storedFor } from './support.ts'

const failure = (code: string): Failure => ({
  verdict: 'interrupted',
  dependency: 'database',
  code,
  message: code,
})

export const badValue = () => Object.assign(new Error('bad value'), { badValue: true })
export const noAnswer = () => Object.assign(new Error('no answer'), { badValue: false })
const isBad = (error: unknown) => error instanceof Error && 'badValue' in error && error.badValue === true

/** A settler whose database, outbox and clock are in the test's hands, and what it did in order. */
export function bench(
  t: TestContext,
  settle?: (items: readonly SettlementOfClaim[]) => readonly SettleAnswer[],
) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const call = door<[readonly SettlementOfClaim[]], readonly SettleAnswer[]>()
  const outbox = new Map<string, OutboxEntry>()
  const story: string[] = []
  const wait = door<[AbortSignal], void>()
  const batches: number[][] = []
  const settler = createSettler({
    settle: async items => {
      batches.push(items.map(({ id }) => id))
      story.push(`settle ${items.map(({ id }) => id)}`)
      return settle === undefined ? call.ask(items) : settle(items)
    },
    explain: error => ({
      failure: failure(isBad(error) ? 'data' : 'unreachable'),
      badValue: isBad(error),
    }),
    outbox: {
      put: entries => {
        if (entries.length > 0) story.push(`put ${entries.map(({ id }) => id)}`)
        for (const entry of entries) outbox.set(`${entry.id}-${entry.claimToken}`, entry)
      },
      remove: claims => {
        const struck = claims.filter(({ id, claimToken }) => outbox.delete(`${id}-${claimToken}`))
        if (struck.length > 0) story.push(`remove ${struck.map(({ id }) => id)}`)
      },
      list: () => [...outbox.values()],
    },
    circuits: {
      trip: dependency => story.push(`trip ${dependency}`),
      closed: (_, signal) => {
        signal.addEventListener('abort', () => wait.calls.at(-1)?.reject(signal.reason))
        return wait.ask(signal)
      },
    },
    log: SILENT,
  })
  return { settler, call, outbox, story, wait, batches, tick: (ms: number) => t.mock.timers.tick(ms) }
}

export const signal = () => new AbortController().signal
export const uploaded = (claim: Claim): Settlement => ({ outcome: 'uploaded', ...storedFor(claim) })
export const retry: Settlement = { outcome: 'retry', code: 'integrity', message: 'It differs.', retryInMs: 5 }
export const entryOf = (id: number, contentType = 'image/jpeg'): OutboxEntry => ({
  id,
  claimToken: 1,
  bucket: 'attachments',
  settlement: { outcome: 'uploaded', ...storedFor(claimOf(id)), contentType },
})
