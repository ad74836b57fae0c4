import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { readStatus } from '../../src/local/supabase-cli.ts'

/** As the supabase CLI's own description of `status --output json` has it, with the keys of every local project. */
const recorded = (name: string): string =>
  readFileSync(join(import.meta.dirname, 'recordings', `${name}.json`), 'utf8')

suite('supabase status', () => {
  test('of today gives the address, the database and the secret key', () => {
    assert.deepEqual(readStatus(recorded('supabase-status')), {
      url: 'http://127.0.0.1:54321',
      databaseUrl: 'postgresql://postgres:postgres@127.0.0.1:54322/postgres',
      secretKey: 'sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz',
    })
  })

  test('of version 1, without a secret key, gives the service role key', () => {
    assert.match(readStatus(recorded('supabase-status-1')).secretKey, /^eyJ.*\.EGIM96RAZx/)
  })

  test('may have notices around it', () => {
    const output = `Stopped services: [supabase_vector_mediaferry]\n${recorded('supabase-status')}
A new version of Supabase CLI is available: v3.2.0 (currently installed v3.1.0)\n`
    assert.deepEqual(readStatus(output), readStatus(recorded('supabase-status')))
  })

  for (const [when, output] of [
    ['says nothing', ''],
    ['says something else', 'supabase local development setup is not running.'],
    ['is cut', recorded('supabase-status').slice(0, -200)],
    // What the CLI answers when only the database runs: services that are stopped are left out.
    ['names the database alone', '{"DB_URL": "postgresql://postgres:postgres@127.0.0.1:54322/postgres"}'],
    ['has no key for a server', recorded('supabase-status-1').replace('SERVICE_ROLE_KEY', 'SOMEBODY_KEY')],
    ['has empty keys', recorded('supabase-status').replace(/(SECRET_KEY|ROLE_KEY)": "[^"]+/g, '$1": "')],
  ] as const) {
    test(`that ${when} is no running project`, () => {
      assert.throws(() => readStatus(output), {
        name: 'UserError',
        message: '`supabase status` does not name a running project.',
        hint: /supabase start/,
      })
    })
  }
})
