import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findings } from '../../.ci/advice.ts'

// As supabase CLI 3.1.0 answers for a public table without row level security.
const rls = {
  name: 'rls_disabled_in_public',
  title: 'RLS Disabled in Public',
  level: 'ERROR',
  detail: 'Table `public.t` is public, but RLS has not been enabled.',
  remediation: 'https://supabase.com/docs/guides/database/database-linter?lint=0013_rls_disabled_in_public',
  metadata: { name: 't', type: 'table', schema: 'public' },
}

test('one line for each finding', () => {
  assert.deepEqual(findings(JSON.stringify({ results: [rls], message: 'db advisors' })), [
    `ERROR rls_disabled_in_public: ${rls.detail} (${rls.remediation})`,
  ])
})

test('nothing for a clean database', () => {
  assert.deepEqual(findings('{"results":[],"message":"db advisors"}\n'), [])
})

test('an answer of another shape is not taken for a clean database', () => {
  for (const output of ['', '[]', '{}', '{"results":[{"name":"x"}]}', 'no issues']) {
    assert.throws(() => findings(output), output)
  }
})
