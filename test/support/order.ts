import { basename } from 'node:path'

/**
 * What takes longer than eight seconds, as `npm test` prints it in the end, so that the lanes end together: a long
 * file that begins last runs alone. Names of files, or of what runs together.
 */
const SECONDS: Readonly<Record<string, number>> = {
  'random-kills.test.ts': 43,
}
const ANY_OTHER = 5

export function longestFirst(files: readonly string[]): string[] {
  const seconds = (file: string): number => SECONDS[basename(file)] ?? ANY_OTHER
  return [...files].sort((a, b) => seconds(b) - seconds(a))
}
