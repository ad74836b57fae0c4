import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { SCHEMA_VERSION, schemaFault } from '../../src/database/schema-version.ts'
import { PACKAGE_ROOT } from '../../src/package-root.ts'
import { freshDatabase } from '../support/database.ts'
import { startDataApi } from './data-api.ts'

test('the last migration says the number that the code knows, and so does a migrated database', async t => {
  const folder = join(PACKAGE_ROOT, 'supabase', 'migrations')
  const last = readdirSync(folder).sort().at(-1) ?? ''
  const said = /mediaferry_schema\(\)[\s\S]*?'version', (\d+)/.exec(
    readFileSync(join(folder, last), 'utf8'),
  )?.[1]
  assert.equal(said, String(SCHEMA_VERSION), `${last} replaces mediaferry_schema() with the next version`)
  const db = await freshDatabase(t)
  assert.deepEqual(await db.call('mediaferry_schema'), { version: SCHEMA_VERSION })
})

test('only the very same version will do, and each other one says what to type', () => {
  assert.equal(schemaFault(SCHEMA_VERSION), undefined)
  const newer = schemaFault(SCHEMA_VERSION + 1)
  assert.match(newer?.message ?? '', /newer migrations/)
  assert.match(newer?.hint ?? '', /Update mediaferry/)
  for (const version of [null, SCHEMA_VERSION - 1]) {
    const older = schemaFault(version)
    assert.match(older?.message ?? '', /older migrations/)
    assert.match(older?.hint ?? '', /supabase db push --remote/)
  }
})

test('a database without the function has no version; one that is down has none to tell', async () => {
  await using api = await startDataApi()
  const database = openDatabase({ url: api.url, key: 'sb_secret_for_a_test', timeoutMs: 5000 })
  try {
    const missing = { code: 'PGRST202', message: 'Could not find the function', details: null, hint: null }
    api.answer({ json: { version: 7 } })
    assert.equal(await database.schemaVersion(), 7)
    api.answer({ json: missing, status: 404 })
    assert.equal(await database.schemaVersion(), null)
    api.answer({ text: 'down', status: 503 })
    await assert.rejects(database.schemaVersion())
  } finally {
    await database.close()
  }
})

test('checkup names what was dropped, opened, closed or left out', async t => {
  const db = await freshDatabase(t)
  const ask = () =>
    db.call('mediaferry_checkup', {
      tables: ['leads', 'attachments', 'realtime_canary', 'elsewhere'],
      functions: ['release_claims', 'renew_leases', 'forget_lead', 'nowhere'],
    })
  const { now, ...whole } = await ask().then(answer => Object(answer))
  assert.ok(Math.abs(Date.parse(now) - Date.now()) < 60_000)
  assert.deepEqual(whole, {
    missing_functions: ['nowhere'],
    closed_functions: [],
    open_functions: [],
    open_tables: [],
    announced_tables: ['attachments', 'realtime_canary'],
  })
  await db.rows('drop function public.release_claims(text)')
  await db.rows('grant execute on function public.forget_lead(bigint, text, integer) to authenticated')
  await db.rows('revoke execute on function mediaferry.page(integer) from service_role')
  await db.rows('alter table public.leads disable row level security')
  await db.rows('alter publication supabase_realtime drop table public.attachments')
  const { now: _, ...broken } = await ask().then(answer => Object(answer))
  assert.deepEqual(broken, {
    missing_functions: ['nowhere', 'release_claims'],
    closed_functions: ['page'],
    open_functions: ['forget_lead'],
    open_tables: ['leads'],
    announced_tables: ['realtime_canary'],
  })
})
