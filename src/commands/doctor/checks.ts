import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../errors.ts'
import { type Finding, failure, type Verdict } from './finding.ts'

/** Looks at one thing. May throw: that is a failure too. */
export interface Check {
  readonly name: string
  /** What to do when it throws or takes too long. */
  readonly otherwise: string
  /** Milliseconds. */
  readonly timeoutMs: number
  readonly look: (signal: AbortSignal) => Promise<Verdict>
}

/** All side by side; the answers in the order of the checks. Never rejects. */
export function runChecks(checks: readonly Check[]): Promise<readonly Finding[]> {
  return Promise.all(checks.map(async check => ({ check: check.name, ...(await verdictOf(check)) })))
}

async function verdictOf({ look, otherwise, timeoutMs }: Check): Promise<Verdict> {
  const giveUp = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: giveUp.signal }).then(() =>
    failure(`No answer within ${timeoutMs / 1000} s.`, otherwise),
  )
  try {
    return await Promise.race([look(giveUp.signal), late])
  } catch (error) {
    return failure(describeError(error), otherwise)
  } finally {
    giveUp.abort()
    late.catch(() => undefined)
  }
}
