import type { GraphRule } from './faults.ts'

const BUSINESS_ID = '102290129340398'

/** The rate headers that a rule asks for, in the shapes of Meta's "Rate limits" page: percent and minutes. */
export function usageHeaders(rule: GraphRule): Record<string, string> {
  if (rule.fault !== 'usage' && rule.fault !== 'error' && rule.fault !== 'status') return {}
  const { retryAfterSeconds, appUsage, businessUsage, regainAccessMinutes } = rule
  const headers: Record<string, string> = {}
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds)
  if (appUsage !== undefined) headers['x-app-usage'] = JSON.stringify(shares(appUsage))
  if (businessUsage !== undefined || regainAccessMinutes !== undefined) {
    const use = {
      type: 'whatsapp',
      ...shares(businessUsage ?? 100),
      estimated_time_to_regain_access: regainAccessMinutes ?? 0,
    }
    headers['x-business-use-case-usage'] = JSON.stringify({ [BUSINESS_ID]: [use] })
  }
  return headers
}

function shares(percent: number) {
  return { call_count: percent, total_time: Math.floor(percent / 2), total_cputime: Math.floor(percent / 2) }
}
