import { openUpkeep, type Upkeep } from '../../database/upkeep.ts'
import { environment, readSettings, type Settings, supabaseOf } from '../../settings.ts'
import { openStorage } from '../../transfer/open-storage.ts'
import type { Storage } from '../../transfer/storage.ts'
import { VERSION } from '../../version.ts'
import { stopSignal } from '../stop-signal.ts'

/** The rows and the objects, side by side: what every command of upkeep works on. */
export interface Archive {
  readonly settings: Settings
  readonly upkeep: Upkeep
  readonly storage: Storage
  close(): Promise<void>
}

export function openArchive(): Archive {
  const settings = readSettings(environment(), ['supabase'])
  const { url, key } = supabaseOf(settings)
  const upkeep = openUpkeep({ url, key })
  const { storage, close } = openStorage({
    supabaseUrl: url,
    supabaseKey: key,
    version: VERSION,
    lanes: settings.CONCURRENCY,
  })
  return {
    settings,
    upkeep,
    storage,
    close: async () => {
      await Promise.all([upkeep.close(), close()])
    },
  }
}

/** Aborted by the first Ctrl-C; a second one ends the process. */
export function untilStopped(): AbortSignal {
  const stop = new AbortController()
  stopSignal().then(() => stop.abort())
  return stop.signal
}
