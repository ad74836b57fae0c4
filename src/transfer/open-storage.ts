import { DEFAULT_TIMEOUTS, type TransferTimeouts } from './config.ts'
import { openConnections } from './http.ts'
import { createStorage, type Storage, type StorageConfig } from './storage.ts'

/** Storage alone, for whoever carries nothing: no access token is needed. */
export interface OpenStorage {
  readonly storage: Storage
  /** Ends every connection, at once. */
  close(): Promise<void>
}

/** `lanes`: requests at a time. */
export function openStorage(
  config: StorageConfig & { readonly lanes: number; readonly timeouts?: Partial<TransferTimeouts> },
): OpenStorage {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...config.timeouts }
  const connections = openConnections(config.lanes, timeouts)
  return { storage: createStorage(config, timeouts, connections.storage), close: connections.close }
}
