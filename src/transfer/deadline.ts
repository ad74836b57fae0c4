import { stopped } from './failure.ts'
import { TransferError } from './transfer-error.ts'

/**
 * Runs work under one signal that ends when the caller's does or when the time is over. The signal's reason is
 * a TransferError, and undici rejects with the reason, so whoever awaits learns why. One controller and one
 * listener a call: cheaper than AbortSignal.any with AbortSignal.timeout.
 */
export async function withDeadline<T>(
  outer: AbortSignal,
  ms: number,
  late: () => TransferError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const stop = () => controller.abort(new TransferError(stopped(), { cause: outer.reason }))
  const timer = setTimeout(() => controller.abort(late()), ms)
  outer.addEventListener('abort', stop)
  try {
    if (outer.aborted) stop()
    controller.signal.throwIfAborted()
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    outer.removeEventListener('abort', stop)
  }
}
