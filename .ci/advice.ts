import { z } from 'zod'

const answer = z.object({
  results: z.array(
    z.object({ name: z.string(), level: z.string(), detail: z.string(), remediation: z.string() }),
  ),
})

/**
 * One line for each finding in the answer of `supabase db advisors --output-format json`. Throws when the
 * answer has another shape, so that a changed CLI does not pass for a clean database.
 */
export function findings(output: string): string[] {
  const { results } = answer.parse(JSON.parse(output))
  return results.map(
    ({ name, level, detail, remediation }) => `${level} ${name}: ${detail.trim()} (${remediation})`,
  )
}
