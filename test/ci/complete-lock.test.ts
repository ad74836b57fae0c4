import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'

const ROOT = join(import.meta.dirname, '..', '..')
let folder = ''
let file = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mediaferry-lock-'))
  file = join(folder, 'package-lock.json')
})
afterEach(() => rmSync(folder, { recursive: true }))

function completeLock(...args: string[]) {
  const program = join(ROOT, '.ci', 'complete-lock.ts')
  return spawnSync(process.execPath, ['--import', 'tsx', program, ...args], { cwd: ROOT, encoding: 'utf8' })
}

function lockWith(optionalDependencies: Record<string, string>): string {
  return `${JSON.stringify({ packages: { 'node_modules/tool': { version: '2.0.0', optionalDependencies } } }, null, 2)}\n`
}

test('--check names what is missing, exits 1 and changes nothing', () => {
  const text = lockWith({ '@tool/darwin-arm64': '2.0.0' })
  writeFileSync(file, text)
  const { status, stderr } = completeLock('--check', file)
  assert.equal(status, 1)
  assert.match(stderr, /- @tool\/darwin-arm64@2\.0\.0\nRun `npm run lock:complete`/)
  assert.equal(readFileSync(file, 'utf8'), text)
})

test('completes the file, and a second time leaves it as it is', () => {
  writeFileSync(file, lockWith({ '@tool/darwin-arm64': '2.0.0' }))
  assert.equal(completeLock(file).status, 0)
  const text = readFileSync(file, 'utf8')
  assert.match(text, /"node_modules\/@tool\/darwin-arm64": \{\n {6}"version": "2\.0\.0",\n[\s\S]*\n\}\n$/)
  assert.equal(completeLock(file).status, 0)
  assert.equal(readFileSync(file, 'utf8'), text)
  assert.equal(completeLock('--check', file).status, 0)
})

test('refuses a file with a build that it cannot describe, whole', () => {
  const text = lockWith({ '@tool/darwin-arm64': '2.0.0', 'tool-extras': '1.0.0' })
  writeFileSync(file, text)
  const { status, stderr } = completeLock(file)
  assert.equal(status, 1)
  assert.match(stderr, /- tool-extras@1\.0\.0\n/)
  assert.equal(readFileSync(file, 'utf8'), text)
})
