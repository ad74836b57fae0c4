import { type Database, type DatabaseOptions, openDatabase } from './database/database.ts'
import {
  createRealtimeLink,
  type RealtimeHandlers,
  type RealtimeLink,
  realtimeClient,
} from './intake/realtime.ts'
import { type Ops, type OpsOptions, startOps } from './ops/ops.ts'
import { openStateFile, type StateFile, type StateOptions } from './state/state-file.ts'
import { createTransfer, type Transfer, type TransferConfig } from './transfer/index.ts'

/**
 * Everything that a daemon reaches beyond its own process: the database, WhatsApp and Storage, Realtime, the disk.
 * The simulation puts a world of its own here, and tries the rest as it is.
 */
export interface Outside {
  openState(path: string, options: StateOptions): StateFile
  openDatabase(options: DatabaseOptions): Database
  createTransfer(config: TransferConfig): Transfer
  listen(project: DatabaseOptions, worker: string, handlers: RealtimeHandlers): RealtimeLink
  /** A world without it has no doors: nobody looks in. */
  startOps?(options: OpsOptions): Promise<Ops>
}

export const OUTSIDE: Outside = {
  openState: openStateFile,
  openDatabase,
  createTransfer,
  listen: ({ url, key }, worker, handlers) =>
    createRealtimeLink(() => realtimeClient(url, key), worker, handlers),
  startOps,
}
