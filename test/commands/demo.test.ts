import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../support/temporary-folder.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

test('demo --once --json: every byte that was sent arrives, with the 100 MB document in flat memory', async t => {
  const folder = temporaryFolder('demo')
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, [CLI, 'demo', '--once', '--json'], {
    cwd: folder,
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let out = ''
  let err = ''
  child.stdout.on('data', chunk => {
    out += chunk
  })
  child.stderr.on('data', chunk => {
    err += chunk
  })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  assert.equal(code, 0, err)
  const { seconds, peak_rss_mb, ...counts } = JSON.parse(out.trim())
  assert.deepEqual(counts, { sent: 207, uploaded: 207, failed: 0, verified: 207 })
  assert.ok(seconds > 0)
  // A leak of one document would already be 100 MB more; the daemon's own share is about 120.
  assert.ok(peak_rss_mb > 50 && peak_rss_mb < 250, `${peak_rss_mb} MB`)
  assert.match(err, /One file of each kind/)
  assert.match(err, /207 of 207 are the same, byte for byte/)
})
