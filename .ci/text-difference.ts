/** Where two texts begin to differ, for a person: the line's number and both lines. Undefined when equal. */
export function firstDifference(committed: string, generated: string): string | undefined {
  if (committed === generated) return undefined
  const [left, right] = [committed.split('\n'), generated.split('\n')]
  const index = left.findIndex((line, at) => line !== right[at])
  const at = index === -1 ? left.length : index
  const shown = (line: string | undefined) => line ?? '(the text has ended)'
  return `line ${at + 1}\n  committed: ${shown(left[at])}\n  generated: ${shown(right[at])}`
}
