import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectKeys } from '../../../src/local/keys.ts'
import { startLite } from '../../../src/local/lite.ts'
import { openChildRegistry } from '../../../src/local/processes.ts'
import { freshDatabase, type Scope, type TestDatabase } from '../../support/database.ts'
import { type RealFunction, startFunction } from './real-function.ts'

/** The function, the Data API and a migrated PostgreSQL: all that a delivery passes through. */
export interface DatabaseProject {
  readonly webhook: RealFunction
  readonly appSecret: string
  readonly database: TestDatabase
}

export async function startDatabaseProject(scope: Scope): Promise<DatabaseProject> {
  const ends: (() => Promise<void>)[] = []
  // Before the database's own: ends run in the order they were asked for, and it goes last.
  scope.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  const folder = await mkdtemp(join(tmpdir(), 'webhook-project-'))
  ends.push(() => rm(folder, { recursive: true }))
  const registry = await openChildRegistry(folder)
  ends.push(async () => registry.close())
  const keys = projectKeys(join(folder, 'keys.json'))
  const database = await freshDatabase(scope)

  const fileSizeLimit = 100 * 2 ** 20
  const lite = await startLite({ folder, registry, databaseUrl: database.url, keys, fileSizeLimit })
  ends.push(lite.stop)
  const webhook = await startFunction({
    SUPABASE_URL: lite.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secret }),
    WHATSAPP_APP_SECRET: keys.whatsappAppSecret,
    WHATSAPP_VERIFY_TOKEN: keys.whatsappVerifyToken,
  })
  ends.push(webhook.stop)
  return { webhook, appSecret: keys.whatsappAppSecret, database }
}
