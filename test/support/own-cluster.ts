import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { projectKeys } from '../../src/local/keys.ts'
import { startCluster } from '../../src/local/postgres.ts'
import { prepareDatabase, query } from '../../src/local/prepare.ts'
import { openChildRegistry } from '../../src/local/processes.ts'
import { cloneDatabase, type Scope, type TestDatabase } from './database.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A PostgreSQL of one test file's own, with a migrated database to clone. */
export interface OwnCluster {
  database(scope: Scope): Promise<TestDatabase>
  stop(): Promise<void>
}

/**
 * The transaction horizon is the whole cluster's: an open transaction of another test would hold it back. So tests
 * of it have a PostgreSQL of their own, without autovacuum's transactions. It takes four seconds to start.
 */
export async function startOwnCluster(): Promise<OwnCluster> {
  const folder = temporaryFolder('cluster')
  const registry = await openChildRegistry(folder)
  const cluster = await startCluster({
    folder: join(folder, 'postgres'),
    registry,
    settings: { autovacuum: 'off' },
  })
  const stop = async () => {
    await cluster.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await query(cluster.url('postgres'), 'create database prepared')
    await prepareDatabase({
      databaseUrl: cluster.url('prepared'),
      folder: join(folder, 'lite'),
      registry,
      keys: projectKeys(join(folder, 'keys.json')),
      fileSizeLimit: 1024,
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { database: scope => cloneDatabase(scope, cluster.url('postgres'), 'prepared'), stop }
}
