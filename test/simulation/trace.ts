/** What happened, in order; the same seed writes the same lines. */
export interface Trace {
  tell(line: string): void
  /** How often something happened, over all seeds that share the counts. */
  count(what: string): void
  readonly lines: readonly string[]
}

export function createTrace(
  now: () => number,
  counts: Map<string, number>,
  show?: (line: string) => void,
): Trace {
  const lines: string[] = []
  const start = now()
  return {
    lines,
    tell: text => {
      const line = `${((now() - start) / 1000).toFixed(3).padStart(9)} ${text}`
      lines.push(line)
      show?.(line)
    },
    count: what => counts.set(what, (counts.get(what) ?? 0) + 1),
  }
}
