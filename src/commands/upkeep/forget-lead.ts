import { setTimeout as delay } from 'node:timers/promises'
import type { FileOfLead, Upkeep } from '../../database/upkeep.ts'
import { UserError } from '../../errors.ts'
import type { Storage } from '../../transfer/storage.ts'
import { inLanes } from './in-lanes.ts'

/** Told as it goes; every step can be begun again, and finds done what was done. */
export interface ForgetSteps {
  stopped(): void
  /** Milliseconds until no transfer can be live any more. */
  waiting(ms: number): void
  /** No transfer can be live any more. */
  quiet(): void
  /** So many objects of so many files. */
  removed(objects: number, files: number): void
  /** Rows, events and message ids; only from here on the same command has nothing to go on with. */
  erased(files: number): void
  /** Objects that came after the removal, and were removed too. */
  listedAgain(objects: number): void
}

export interface ForgetParts {
  readonly upkeep: Upkeep
  readonly storage: Pick<Storage, 'listObjects' | 'removeObjects'>
  readonly lanes: number
  readonly signal: AbortSignal
  readonly steps: ForgetSteps
  /** Who asks, for the one event that stays. */
  readonly by: string
}

const PAGE = 500
const LISTED = 1000
/** A daemon that is still at it writes one object a claim; more than a few rounds means that nothing is removed. */
const ROUNDS = 5
/** A look now and then: the lease of a claim may have been renewed in the moment before the stop. */
const LONGEST_WAIT_MS = 5000

/**
 * Forgets a lead that is there. Its rows go only when Storage has nothing of them any more, and the objects only when
 * no claim is live, so that nobody who is told `lost` is surprised, and an interruption at any point leaves what is
 * needed to go on. Throws the signal's reason when it was aborted.
 */
export async function forgetLead(lead: number, parts: ForgetParts): Promise<void> {
  const { upkeep, storage, lanes, signal, steps, by } = parts
  await upkeep.stopLead(lead)
  steps.stopped()
  await noLiveTransfer(lead, parts)

  const files: FileOfLead[] = []
  let objects = 0
  await inLanes(filesOf(upkeep, lead), lanes, signal, async file => {
    files.push(file)
    const removed = await removeAll(storage, file, signal)
    objects += removed
  })
  signal.throwIfAborted()
  steps.removed(objects, files.length)

  let erased = 0
  for (let done = false; !done; ) {
    const page = await upkeep.eraseLead(lead)
    erased += page.erased
    done = page.done
    if (!done) signal.throwIfAborted()
  }
  await upkeep.recordForgotten(lead, by)
  steps.erased(erased)

  // What a daemon had finished sending in the moment before. One that is frozen until later removes its own object
  // when it wakes up and is told that the claim is lost.
  let late = 0
  await inLanes(files, lanes, signal, async file => {
    const removed = await removeAll(storage, file, signal)
    late += removed
  })
  signal.throwIfAborted()
  steps.listedAgain(late)
}

async function noLiveTransfer(lead: number, { upkeep, signal, steps }: ForgetParts): Promise<void> {
  for (;;) {
    const wait = (await upkeep.lead(lead))?.wait_ms ?? 0
    if (wait <= 0) return steps.quiet()
    steps.waiting(wait)
    await delay(Math.min(wait, LONGEST_WAIT_MS), undefined, { signal })
  }
}

async function* filesOf(upkeep: Upkeep, lead: number): AsyncGenerator<FileOfLead> {
  for (let after = 0; ; ) {
    const page = await upkeep.filesOfLead(lead, after, PAGE)
    yield* page
    after = page.at(-1)?.id ?? after
    if (page.length < PAGE) return
  }
}

/** Whatever claim wrote it. Answers how many; it looks until there is none. */
async function removeAll(
  storage: ForgetParts['storage'],
  { id, bucket, object_prefix: prefix }: FileOfLead,
  signal: AbortSignal,
): Promise<number> {
  const beginning = `${id}-`
  let removed = 0
  for (let round = 0; round < ROUNDS; round++) {
    const page = await storage.listObjects(
      bucket,
      prefix,
      { search: beginning, limit: LISTED, offset: 0 },
      signal,
    )
    const keys = page.filter(({ name }) => name.startsWith(beginning)).map(({ name }) => `${prefix}/${name}`)
    if (keys.length === 0) return removed
    await storage.removeObjects(bucket, keys, signal)
    removed += keys.length
  }
  throw new UserError(`Storage says that it removed ${prefix}/${beginning}…, and lists it still.`, {
    hint: 'Nothing else is lost by it: run the same command again later.',
  })
}
