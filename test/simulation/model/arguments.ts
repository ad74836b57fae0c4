import { z } from 'zod'
import { invalidParameter } from './model-error.ts'
import { HOUR_MS } from './session.ts'

const UNIT_MS: Readonly<Record<string, number>> = {
  milliseconds: 1,
  seconds: 1000,
  minutes: 60_000,
  hours: HOUR_MS,
}

/** An interval as the daemon writes it ("60000 milliseconds"), in milliseconds. */
export const interval = z
  .string()
  .regex(/^-?\d+(\.\d+)? (milliseconds|seconds|minutes|hours)$/)
  .transform(text => {
    const [count, unit = ''] = text.split(' ')
    return Number(count) * (UNIT_MS[unit] ?? Number.NaN)
  })

/** `mediaferry.check_worker`. */
export function checkWorker(worker: string, leaseMs: number): void {
  if (worker === '' || leaseMs <= 0 || leaseMs > 24 * HOUR_MS) {
    throw invalidParameter("a claim needs a worker's name and a lease of up to a day")
  }
}

/** `mediaferry.check_list`. */
export function checkList(list: unknown, name: string): void {
  if (!Array.isArray(list) || list.length > 500) {
    throw invalidParameter(`${name} must be an array of at most 500`)
  }
}
