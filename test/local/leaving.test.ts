import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openChildRegistry } from '../../src/local/processes.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mediaferry-leaving-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** How the parent ended, once its child has. */
async function leave(way: string): Promise<number | null> {
  const program = join(import.meta.dirname, 'leaving.ts')
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', program, folder, way], {
    encoding: 'utf8',
  })
  const pid = Number(stdout)
  assert.ok(pid > 0)
  for (let tries = 0; isThere(pid); tries++) {
    assert.ok(tries < 500, `process ${pid} is still there`)
    await delay(10)
  }
  return status
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

suite('a parent that leaves in a hurry takes its children along', () => {
  test('by process.exit, as after a second Ctrl-C', async () => {
    assert.equal(await leave('exit'), 3)
  })

  test('by an error that nobody caught', async () => {
    assert.equal(await leave('error'), 1)
  })
})

suite('a registry whose start was given up', () => {
  test('ends all children and starts no more', async t => {
    const registry = await openChildRegistry(folder)
    t.after(() => registry.close())
    const sleep = ['--eval', 'setInterval(() => {}, 1 << 30)']
    const one = registry.spawn('one', process.execPath, sleep)
    const two = registry.spawn('two', process.execPath, sleep)
    registry.endAll()
    assert.deepEqual(await Promise.all([one.ended, two.ended]), [
      'one ended (SIGKILL)',
      'two ended (SIGKILL)',
    ])
    assert.throws(() => registry.spawn('three', process.execPath, sleep), /three is not started/)
  })
})
