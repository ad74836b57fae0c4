/**
 * Settles with what asked us to stop: SIGINT, SIGTERM, or PM2's message `shutdown` (on Windows it sends no
 * signals). A second one does not wait for anything: exit code 130.
 */
export function stopSignal(): Promise<string> {
  return new Promise(resolve => {
    let asked = false
    const stop = (reason: string) => {
      if (asked) process.exit(130)
      asked = true
      resolve(reason)
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    process.on('message', message => {
      if (message === 'shutdown') stop('shutdown')
    })
  })
}
