import type { Prunable, Upkeep } from '../database/upkeep.ts'
import { INTERRUPTED } from './stop-signal.ts'
import { lookOf } from './terminal.ts'
import { openArchive, untilStopped } from './upkeep/archive.ts'
import { showProgress } from './upkeep/progress.ts'

export interface PruneOptions {
  /** Milliseconds; what is older goes. */
  readonly events: number
  readonly processed: number
  readonly rejected: number
  readonly dryRun?: true
  readonly json?: true
}

const WHAT: readonly (readonly [Prunable, string])[] = [
  ['events', 'events of files that are through, and general ones'],
  ['processed', 'ids of processed messages'],
  ['rejected', 'rejected payloads'],
]

/** Counting ends here: 1,000,000 stands for that many or more. */
const COUNTED = 1_000_000

/**
 * `mediaferry prune`: lets go of what is old, 500 rows at a time. Never an attachment, and never the story of one
 * that is still open. Answers the exit code.
 */
export async function prune(options: PruneOptions): Promise<number> {
  const archive = openArchive()
  const signal = untilStopped()
  try {
    const counts: Record<Prunable, number> = { events: 0, processed: 0, rejected: 0 }
    for (const [what, name] of WHAT) {
      if (signal.aborted) break
      const found = await archive.upkeep.countPrunable(what, options[what])
      counts[what] =
        options.dryRun === true
          ? found
          : await remove(archive.upkeep, what, name, found, options[what], signal)
    }
    tell(counts, options)
    return signal.aborted ? INTERRUPTED : 0
  } finally {
    await archive.close()
  }
}

async function remove(
  upkeep: Upkeep,
  what: Prunable,
  name: string,
  found: number,
  olderThanMs: number,
  signal: AbortSignal,
): Promise<number> {
  const progress = showProgress(`Removing ${name}`, found)
  let removed = 0
  try {
    while (!signal.aborted) {
      const page = await upkeep.prune(what, olderThanMs)
      if (page === 0) break
      removed += page
      progress.advance(page)
    }
  } finally {
    progress.end()
  }
  return removed
}

function tell(counts: Readonly<Record<Prunable, number>>, { dryRun, json }: PruneOptions): void {
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ dry_run: dryRun === true, ...counts })}\n`)
    return
  }
  const rows = WHAT.map(([what, name]) => {
    const count = counts[what]
    return [name, dryRun === true && count >= COUNTED ? `${count} or more` : String(count)]
  })
  const head = ['old', dryRun === true ? 'would be removed' : 'removed']
  process.stdout.write(`${lookOf(process.stdout).table(head, rows, head.slice(1))}\n`)
}
