/** The exit code after Ctrl-C, as shells have it. */
export const INTERRUPTED = 130

/** One Ctrl-C comes twice under `npm run`: from the terminal, and from npm, which passes on what it got. */
const SAME_MS = 500

export interface StopOptions {
  /** For a command that ends with its terminal: also on SIGHUP, which a daemon under `nohup` must outlive. */
  readonly withTerminal?: true
}

/**
 * Settles with what asked us to stop: SIGINT, SIGTERM, or PM2's message `shutdown` (on Windows it sends no
 * signals). A second one does not wait for anything and exits with INTERRUPTED.
 */
export function stopSignal(options: StopOptions = {}): Promise<string> {
  return new Promise(resolve => {
    let askedAt: number | undefined
    const stop = (reason: string) => {
      if (askedAt === undefined) {
        askedAt = performance.now()
        resolve(reason)
      } else if (performance.now() - askedAt > SAME_MS) process.exit(INTERRUPTED)
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    process.on('message', message => {
      if (message === 'shutdown') stop('shutdown')
    })
    if (options.withTerminal !== true) return
    process.on('SIGHUP', stop)
    if (process.env.npm_lifecycle_event !== undefined) whenOrphaned(() => stop('npm was stopped'))
  })
}

/** npm hands a SIGTERM to the shell between us, and Debian's dies of it without a word to its child. */
function whenOrphaned(then: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    then()
  }, 500)
  timer.unref()
}
