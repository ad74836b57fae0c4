import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type ChildRegistry, openChildRegistry, type RecordedChild } from '../../src/local/processes.ts'

const SLEEP_FOR_EVER = 'setInterval(() => {}, 1 << 30)'

let folder = ''
let undo: (() => unknown)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mediaferry-processes-'))
  undo = []
})
afterEach(async () => {
  for (const step of undo.reverse()) await step()
  rmSync(folder, { recursive: true })
})

async function open(): Promise<ChildRegistry> {
  const registry = await openChildRegistry(folder)
  undo.push(() => registry.close())
  return registry
}

/** A child that says `ready` when it can take signals. */
async function spawnReady(registry: ChildRegistry, program = SLEEP_FOR_EVER): Promise<RecordedChild> {
  const child = registry.spawn('sleeper', process.execPath, ['--eval', `${program}\nconsole.log('ready')`])
  undo.push(() => child.stop('SIGKILL'))
  assert.ok(child.process.stdout)
  await once(child.process.stdout, 'data')
  return child
}

/** Another process with the registry of the folder, a child and a grandchild. */
async function startOwner(): Promise<{ owner: ChildProcess; child: number; grandchild: number }> {
  const program = join(import.meta.dirname, 'registry-owner.ts')
  const owner = spawn(process.execPath, ['--import', 'tsx', program, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  undo.push(() => owner.kill('SIGKILL'))
  const [line] = await once(owner.stdout, 'data')
  const [child = 0, grandchild = 0] = String(line).trim().split(' ').map(Number)
  undo.push(() => {
    for (const pid of [child, grandchild]) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  assert.ok(isAlive(child) && isAlive(grandchild))
  return { owner, child, grandchild }
}

/** False for a zombie: it has ended, and who adopted it may take its time to notice. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** For processes that are no children of this one, whose end no event tells. */
async function untilEnded(pid: number): Promise<void> {
  for (let tries = 0; isAlive(pid); tries++) {
    assert.ok(tries < 500, `process ${pid} is still there`)
    await delay(10)
  }
}

function records(): string[] {
  return readdirSync(join(folder, 'processes'))
}

suite('a folder', () => {
  test('belongs to one at a time, within a process', async () => {
    const first = await open()
    await assert.rejects(openChildRegistry(folder), { name: 'UserError', message: /Another process/ })
    first.close()
    await open()
  })

  test('belongs to one process at a time, and is free when that is killed', async () => {
    const { owner, child } = await startOwner()
    await assert.rejects(openChildRegistry(folder), { name: 'UserError', message: /Another process/ })
    assert.ok(isAlive(child), 'who is refused ends nobody')
    owner.kill('SIGKILL')
    await once(owner, 'exit')
    await open()
  })

  test('that cannot be used is said to be so, and not to be in use', async () => {
    writeFileSync(join(folder, 'lock'), 'this is no database, and long enough to be seen as none'.repeat(40))
    await assert.rejects(openChildRegistry(folder), {
      name: 'UserError',
      message: /cannot be locked: .*not a database/,
    })
  })
})

suite('the next open', () => {
  test('ends what a killed parent left, with what that had started', async () => {
    const { owner, child, grandchild } = await startOwner()
    owner.kill('SIGKILL')
    await once(owner, 'exit')
    assert.ok(isAlive(child) && isAlive(grandchild), 'they outlive their parent')
    await open()
    assert.ok(!isAlive(child))
    await untilEnded(grandchild)
    assert.deepEqual(records(), [])
  })

  test('leaves alone who got the pid of a child that ended long ago', async () => {
    const registry = await open()
    const child = await spawnReady(registry)
    registry.close()
    const [file = ''] = records()
    const path = join(folder, 'processes', file)
    const record = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...record, startedAt: `${record.startedAt}0` }))
    const next = await open()
    assert.ok(child.process.pid !== undefined && isAlive(child.process.pid))
    assert.deepEqual(records(), [])
    next.close()
    writeFileSync(path, JSON.stringify(record))
    await open()
    assert.equal(await child.ended, 'sleeper ended (SIGKILL)', 'the true record does end it')
  })

  test('is not stopped by a record that was half written', async () => {
    const registry = await open()
    registry.close()
    writeFileSync(join(folder, 'processes', 'sleeper-1.json'), '{"name":"sleep')
    await open()
    assert.deepEqual(records(), [])
  })
})

suite('a child', () => {
  test('is written down while it runs', async () => {
    const child = await spawnReady(await open())
    assert.deepEqual(records(), [`sleeper-${child.process.pid}.json`])
    await child.stop()
    assert.deepEqual(records(), [])
  })

  test('stops by the signal asked for, as often as asked', async () => {
    const child = await spawnReady(
      await open(),
      `process.on('SIGINT', () => process.exit(3))\n${SLEEP_FOR_EVER}`,
    )
    await Promise.all([child.stop('SIGINT'), child.stop('SIGINT')])
    assert.equal(await child.ended, 'sleeper ended (exit 3)')
    await child.stop('SIGINT')
  })

  test('that does not listen is killed when its time is up', async () => {
    const child = await spawnReady(await open(), `process.on('SIGTERM', () => {})\n${SLEEP_FOR_EVER}`)
    await child.stop('SIGTERM', 50)
    assert.equal(await child.ended, 'sleeper ended (SIGKILL)')
  })

  test('does not get the Ctrl-C of the terminal, which goes to the group of its parent', async () => {
    const child = await spawnReady(await open())
    const group = (pid: number | 'self') =>
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[2]
    if (existsSync('/proc/self/stat')) assert.notEqual(group(child.process.pid ?? 0), group('self'))
  })

  test('that ends by itself says how, and what it wrote last', async () => {
    const registry = await open()
    const program = `for (let i = 0; i < 40; i++) console.error('line ' + i); process.exitCode = 7`
    const child = registry.spawn('talker', process.execPath, ['--eval', program])
    assert.equal(await child.ended, 'talker ended (exit 7)')
    const lines = Array.from({ length: 15 }, (_, index) => `line ${index + 25}`)
    assert.deepEqual(child.lastWords().split('\n'), lines)
  })

  test('that cannot be started says so, and may be stopped all the same', async () => {
    const registry = await open()
    const child = registry.spawn('nothing', join(folder, 'no such program'), [])
    assert.match(await child.ended, /^nothing could not be started: .*ENOENT/)
    await child.stop()
    assert.deepEqual(records(), [])
  })
})
