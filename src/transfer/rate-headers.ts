import type { AnswerHeaders } from '../collect.ts'
import type { Usage } from './config.ts'

export type Headers = AnswerHeaders

const DAY_MS = 86_400_000

/** `Retry-After` in milliseconds, at most a day: seconds or an HTTP date (RFC 9110, 10.2.3). */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const text = first(headers['retry-after'])
  if (text === undefined) return undefined
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), DAY_MS) : undefined
}

/**
 * Meta's `X-App-Usage` (`{call_count,total_time,total_cputime}`, percent) and `X-Business-Use-Case-Usage`
 * (`{"<id>":[{…,estimated_time_to_regain_access}]}`, minutes). Undefined when neither is there or readable.
 */
export function usageOf(headers: Headers): Usage | undefined {
  const app = parsed(headers['x-app-usage'])
  const business = parsed(headers['x-business-use-case-usage'])
  if (app === undefined && business === undefined) return undefined
  const cases = [app, ...Object.values(business ?? {}).flat()].filter(isRecord)
  const percents = cases.flatMap(entry => [entry.call_count, entry.total_time, entry.total_cputime])
  const minutes = cases.map(entry => entry.estimated_time_to_regain_access)
  return { callCountPercent: highest(percents), regainAccessMs: highest(minutes) * 60_000 }
}

function highest(values: readonly unknown[]): number {
  return values.reduce<number>((most, value) => {
    return typeof value === 'number' && Number.isFinite(value) ? Math.max(most, value) : most
  }, 0)
}

function parsed(value: string | string[] | undefined): Record<string, unknown> | undefined {
  const text = first(value)
  if (text === undefined) return undefined
  try {
    const content: unknown = JSON.parse(text)
    return isRecord(content) ? content : undefined
  } catch {
    return undefined
  }
}

const first = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
