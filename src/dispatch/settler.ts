import DataLoader from 'dataloader'
import type {
  Claim,
  ClaimKey,
  Failure,
  OutboxEntry,
  SettleAnswer,
  Settlement,
  SettlementOfClaim,
} from '../attachment.ts'
import type { Log } from '../log.ts'
import type { Circuits } from './circuits.ts'

/** What was uploaded is written down here before the database is told, and struck out when it has answered. */
export interface Outbox {
  put(entries: readonly OutboxEntry[]): void
  remove(claims: readonly ClaimKey[]): void
  list(): readonly OutboxEntry[]
}

export interface SettlerOptions {
  /** One answer for each, in order. Rejects when the database did not carry it out. */
  readonly settle: (items: readonly SettlementOfClaim[]) => Promise<readonly SettleAnswer[]>
  /** What a rejection means, and whether one bad value in the batch caused it (SQLSTATE classes 22 and 23). */
  readonly explain: (error: unknown) => { readonly failure: Failure; readonly badValue: boolean }
  readonly outbox: Outbox
  readonly circuits: Pick<Circuits, 'trip' | 'closed'>
  readonly log: Log
}

export interface Settler {
  /** Tells the database, and keeps on telling it until it answers or the signal is aborted. */
  settle(claim: Claim, settlement: Settlement, signal: AbortSignal): Promise<SettleAnswer>
  /**
   * Settles what an earlier life, or a long outage, has left in the outbox. Rejects when the database does not
   * carry it out; what it had answered by then is struck out all the same.
   */
  flushOutbox(): Promise<readonly AnsweredEntry[]>
}

export interface AnsweredEntry {
  readonly entry: OutboxEntry
  readonly answer: SettleAnswer
}

/** A settlement on its way, with what the outbox must know of it. */
interface Telling extends SettlementOfClaim {
  readonly bucket: string
}

/** How long the first of a batch waits for others: it delays nobody who waits for a file. */
const WINDOW_MS = 50
/**
 * After a batch of so many the next one waits longer: a call costs the daemon, the Data API and the database a
 * millisecond of CPU beside its rows, and at a thousand attachments a second nobody watches one of them.
 */
const BUSY_BATCH = 20
const BUSY_WINDOW_MS = 100
const LARGEST_BATCH = 200

export function createSettler(options: SettlerOptions): Settler {
  const { outbox, circuits, log, explain } = options
  let windowMs = WINDOW_MS
  const loader = new DataLoader<Telling, SettleAnswer>(tell, {
    cache: false,
    maxBatchSize: LARGEST_BATCH,
    batchScheduleFn: run => setTimeout(run, windowMs),
  })

  async function tell(items: readonly Telling[]): Promise<(SettleAnswer | Error)[]> {
    windowMs = items.length < BUSY_BATCH ? WINDOW_MS : BUSY_WINDOW_MS
    const uploads = items.flatMap(upload)
    outbox.put(uploads)
    const answers = await settleBatch(items)
    const answered = new Set(items.filter((_, at) => !(answers[at] instanceof Error)).map(({ id }) => id))
    outbox.remove(uploads.filter(({ id }) => answered.has(id)))
    return answers
  }

  /** A batch that holds a value the database refuses is halved until that one stands alone. */
  async function settleBatch(items: readonly SettlementOfClaim[]): Promise<(SettleAnswer | Error)[]> {
    try {
      return [...(await options.settle(items))]
    } catch (error) {
      if (!explain(error).badValue || items.length === 1) return items.map(() => toError(error))
      const half = Math.ceil(items.length / 2)
      const first = await settleBatch(items.slice(0, half))
      return [...first, ...(await settleBatch(items.slice(half)))]
    }
  }

  async function untilAnswered(item: Telling, signal: AbortSignal): Promise<SettleAnswer> {
    let telling = item
    for (;;) {
      signal.throwIfAborted()
      try {
        return await loader.load(telling)
      } catch (error) {
        const { failure, badValue } = explain(error)
        if (badValue) {
          if (telling !== item) throw error
          log.error({ attachment: item.id, reason: failure.message }, 'the database refused a settlement')
          telling = { ...item, ...withoutTexts(item) }
          continue
        }
        log.warn({ err: error, attachment: item.id }, 'settling waits for the database')
        circuits.trip('database', failure)
        await circuits.closed('database', signal)
      }
    }
  }

  /** Undefined when the database refuses the entry for good: the row's next claim finds the object by its hash. */
  async function settleRefused(entry: OutboxEntry, reason: Error): Promise<SettleAnswer | undefined> {
    if (!explain(reason).badValue) throw reason
    log.error({ attachment: entry.id, err: reason }, 'the database refused a settlement')
    const [answer] = await settleBatch([withoutTexts(entry)])
    if (!(answer instanceof Error)) return answer
    if (!explain(answer).badValue) throw answer
    return undefined
  }

  return {
    settle: ({ id, claimToken, bucket }, settlement, signal) =>
      untilAnswered({ id, claimToken, bucket, settlement }, signal),
    flushOutbox: async () => {
      const left = outbox.list()
      const answered: AnsweredEntry[] = []
      for (let at = 0; at < left.length; at += LARGEST_BATCH) {
        const page = left.slice(at, at + LARGEST_BATCH)
        const answers = await settleBatch(page)
        for (const [index, entry] of page.entries()) {
          const first = answers[index]
          const answer = first instanceof Error ? await settleRefused(entry, first) : first
          if (answer !== undefined) answered.push({ entry, answer })
          outbox.remove([entry])
        }
      }
      return answered
    },
  }
}

const upload = ({ id, claimToken, bucket, settlement }: Telling): OutboxEntry[] =>
  settlement.outcome === 'uploaded' ? [{ id, claimToken, bucket, settlement }] : []

/** A text that the database refuses must cost nobody a file: it is left out, and the row settled without it. */
function withoutTexts(item: SettlementOfClaim): SettlementOfClaim {
  const { id, claimToken, settlement } = item
  const message = 'The database refused the text that stood here; the log has its reason.'
  return {
    id,
    claimToken,
    settlement:
      settlement.outcome === 'uploaded'
        ? { ...settlement, contentType: 'application/octet-stream', notes: [] }
        : { ...settlement, message },
  }
}

const toError = (value: unknown): Error => (value instanceof Error ? value : new Error(String(value)))
