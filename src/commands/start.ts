import { flushCompileCache } from 'node:module'
import { startDaemon } from '../daemon.ts'
import { createLog, turnByTurn } from '../log.ts'
import { environment, readSettings } from '../settings.ts'
import { stopSignal } from './stop-signal.ts'

/** `mediaferry start`: the daemon, until a signal or PM2 ends it. */
export async function start(): Promise<void> {
  const settings = readSettings(environment(), ['supabase', 'token'])
  const log = createLog(settings.LOG_LEVEL, turnByTurn())
  const stop = new AbortController()
  void stopSignal().then(reason => {
    log.info({ reason }, 'stopping')
    stop.abort()
  })
  const daemon = await startDaemon(settings, log, stop.signal)
  if (daemon === null) return
  // PM2's wait_ready; harmless without it.
  process.send?.('ready')
  // Node writes its compile cache (NODE_COMPILE_CACHE) when it ends in order; one that is killed leaves it all the same.
  flushCompileCache()
  await daemon.ended
}
