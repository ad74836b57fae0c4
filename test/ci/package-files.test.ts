import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultsIn } from '../../.ci/package-files.ts'

const whole = [
  'dist/src/cli.js',
  'dist/src/ops/dashboard/index.html',
  'dist/src/ops/dashboard/main.js',
  'dist/src/local/samples/photo.jpg',
  'supabase/config.toml',
  'supabase/migrations/20261122000100_tables.sql',
  'supabase/functions/whatsapp-webhook/index.ts',
  'supabase/functions/whatsapp-webhook/deno.json',
  'ecosystem.config.cjs',
  '.env.example',
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
]

test('a small package with all that is needed has no fault', () => {
  assert.deepEqual(faultsIn({ size: 700_000, paths: whole }), [])
})

test('too many bytes, a file that is missing, and files that do not belong in it are named', () => {
  const paths = [...whole.slice(1), 'dist/src/cli.ts', 'dist/test/x.test.js', '.env', 'src/cli.ts']
  assert.deepEqual(faultsIn({ size: 1_000_001, paths }), [
    '1000001 bytes are more than 1000000',
    'dist/src/cli.js is missing',
    'dist/src/cli.ts does not belong in it',
    'dist/test/x.test.js does not belong in it',
    '.env does not belong in it',
    'src/cli.ts does not belong in it',
  ])
})
