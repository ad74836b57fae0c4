import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'

const ROOT = join(import.meta.dirname, '..', '..')
const STEPS = [
  'ci',
  'test',
  'run --silent package:check',
  'run --silent lint',
  'run --silent typecheck',
  'run --silent lock:check',
  'run --silent imports:check',
  'run --silent diagrams -- --check',
  'run --silent database:check',
  'run --silent rules:check',
]
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mediaferry-run-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Runs .ci/run with an npm that only writes down how it was called, and fails at one step. */
function runWith(failing = ''): { status: number | null; calls: string[]; stdout: string } {
  const log = join(folder, 'calls')
  writeFileSync(log, '')
  const npm = join(folder, 'npm')
  writeFileSync(npm, `#!/bin/sh\necho "$*" >> "${log}"\n[ "$*" != "${failing}" ]\n`)
  chmodSync(npm, 0o755)
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` }
  const { status, stdout } = spawnSync('bash', [join(ROOT, '.ci', 'run')], {
    cwd: folder,
    env,
    encoding: 'utf8',
  })
  return { status, calls: readFileSync(log, 'utf8').trim().split('\n'), stdout }
}

test("runs the README's test command first, then each check under a heading", () => {
  const { status, calls, stdout } = runWith()
  assert.equal(status, 0)
  assert.deepEqual(calls, STEPS)
  assert.equal(stdout.match(/^== /gm)?.length, STEPS.length - 1)
  assert.match(stdout, /^== .*npm ci && npm test$/m)
})

for (const [index, step] of STEPS.entries()) {
  test(`stops with an error when \`npm ${step}\` fails`, () => {
    const { status, calls } = runWith(step)
    assert.equal(status, 1)
    assert.deepEqual(calls, STEPS.slice(0, index + 1))
  })
}

test('calls only scripts that package.json has', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  )
  for (const step of STEPS.slice(2)) {
    const name = step.split(' ')[2] ?? ''
    assert.ok(name in scripts, name)
  }
})
