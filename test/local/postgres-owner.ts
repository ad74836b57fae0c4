import { join } from 'node:path'
import { startCluster } from '../../src/local/postgres.ts'
import { openChildRegistry } from '../../src/local/processes.ts'

/** A program for tests to kill: runs PostgreSQL in the folder of its argument, prints its URL and stays. */
const [folder = ''] = process.argv.slice(2)
const registry = await openChildRegistry(folder)
const cluster = await startCluster({ folder: join(folder, 'postgres'), registry })
console.log(cluster.url('postgres'))
