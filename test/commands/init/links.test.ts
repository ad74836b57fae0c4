import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { refuseLinks } from '../../../src/commands/init/links.ts'
import { UserError } from '../../../src/errors.ts'
import { PACKAGE_ROOT } from '../../../src/package-root.ts'

function folderOf(t: { after(end: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'mediaferry-init-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a link to a file, to nothing and to itself are refused, what is there or not there is not', t => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'file'), '')
  symlinkSync('file', join(folder, 'to-a-file'))
  symlinkSync('nothing', join(folder, 'to-nothing'))
  symlinkSync('to-itself', join(folder, 'to-itself'))
  refuseLinks(folder, ['file', 'missing', 'missing/below'])
  for (const name of ['to-a-file', 'to-nothing', 'to-itself']) {
    assert.throws(
      () => refuseLinks(folder, ['file', name]),
      (error: unknown) => error instanceof UserError && error.message.includes(name),
    )
  }
})

test('init writes through no link, and then nothing at all', t => {
  const folder = folderOf(t)
  const home = join(folder, 'home')
  mkdirSync(join(home, 'supabase/functions/whatsapp-webhook'), { recursive: true })
  writeFileSync(join(folder, 'theirs.ts'), 'theirs')
  symlinkSync(join(folder, 'theirs.ts'), join(home, 'supabase/functions/whatsapp-webhook/index.ts'))
  const cli = join(PACKAGE_ROOT, 'src', 'cli.ts')
  const env = { PATH: process.env.PATH ?? '' }
  const { status, stderr } = spawnSync(process.execPath, [cli, 'init'], { cwd: home, env, encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stderr, /whatsapp-webhook\/index\.ts/)
  assert.equal(readFileSync(join(folder, 'theirs.ts'), 'utf8'), 'theirs')
  assert.ok(!existsSync(join(home, '.env')))
})
