import { SingleBar } from 'cli-progress'

export interface Progress {
  advance(by?: number): void
  end(): void
}

/** A bar on standard error, when that is a terminal and there is something to do; in a pipe nothing at all. */
export function showProgress(what: string, total: number): Progress {
  if (total === 0) return { advance: () => undefined, end: () => undefined }
  const bar = new SingleBar({
    format: `${what} [{bar}] {value}/{total}  {duration_formatted}`,
    stream: process.stderr,
    clearOnComplete: true,
    barsize: 24,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
  })
  bar.start(total, 0)
  return {
    advance: (by = 1) => {
      bar.increment(by)
      // Rows are added while we count.
      if (bar.getProgress() > 1) bar.setTotal(bar.getTotal() + by)
    },
    end: () => bar.stop(),
  }
}
