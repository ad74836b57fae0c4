import PQueue from 'p-queue'

/**
 * Works on what `source` gives, in its order, so many at a time; the source is asked only when a lane is free. The
 * first error, or the signal, lets no more start; what is under way is waited for. Throws that first error.
 */
export async function inLanes<Item>(
  source: AsyncIterable<Item> | Iterable<Item>,
  lanes: number,
  signal: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = new PQueue({ concurrency: lanes })
  const errors: unknown[] = []
  const isOver = () => signal.aborted || errors.length > 0
  for await (const item of source) {
    if (isOver()) break
    queue
      .add(async () => {
        if (!isOver()) await work(item)
      })
      .catch(error => {
        // What a stop interrupts has not failed.
        if (!signal.aborted) errors.push(error)
      })
    await queue.onSizeLessThan(1)
  }
  await queue.onIdle()
  if (errors.length > 0) throw errors[0]
}
