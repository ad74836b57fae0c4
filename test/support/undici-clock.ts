import { createRequire } from 'node:module'

/**
 * Lets that much time pass for undici's timeouts, which have a clock of their own (their `tick` is there for
 * tests): a stalled download is then given up now, and not in half a minute.
 */
export function passForUndici(ms: number): void {
  const timers: unknown = createRequire(import.meta.url)('undici/lib/util/timers.js')
  if (typeof timers !== 'object' || timers === null || !('tick' in timers)) throw new Error('no such clock')
  const { tick } = timers
  if (typeof tick !== 'function') throw new Error('undici has no tick')
  tick(ms)
}
