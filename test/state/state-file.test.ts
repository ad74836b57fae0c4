import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, test } from 'node:test'
import Database from 'better-sqlite3'
import type { OutboxEntry } from '../../src/attachment.ts'
import { UserError } from '../../src/errors.ts'
import type { StateWarning } from '../../src/state/lock.ts'
import { bestEffort, openStateFile, openTemporaryState } from '../../src/state/state-file.ts'

const PROJECT = 'https://a.test'

const entry: OutboxEntry = {
  id: 7,
  claimToken: 3,
  bucket: 'attachments',
  settlement: {
    outcome: 'uploaded',
    objectKey: '1/7-3.jpg',
    contentType: 'image/jpeg',
    sizeBytes: 3,
    sha256: 'a'.repeat(64),
    verified: true,
    notes: [{ event: 'type_differs', detail: { declared: 'image/png', found: null } }],
  },
}

let folder = ''
let path = ''
let warnings: StateWarning[] = []
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mediaferry-state-'))
  path = join(folder, 'state.sqlite')
  warnings = []
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  rmSync(folder, { recursive: true, force: true })
})

const open = (project = PROJECT) => openStateFile(path, { project, warn: warning => warnings.push(warning) })
const codes = () => warnings.map(({ code }) => code)

/** Runs child.ts on the file and gives its first line. */
async function otherProcess(file: string, then?: 'hold' | 'put', uid?: number) {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'child.ts'), file, ...(then ? [then] : [])],
    { stdio: ['ignore', 'pipe', 'inherit'], ...(uid === undefined ? {} : { uid }) },
  )
  children.push(child)
  const [line] = await once(createInterface(child.stdout), 'line')
  const said: { workerId?: string; name?: string; message?: string; hint?: string; warnings: string[] } =
    JSON.parse(String(line))
  return { child, said }
}

describe('a state file of our own', () => {
  test('keeps the worker id, the cursor and the outbox from life to life', () => {
    const first = open()
    assert.match(first.workerId, /^[a-z0-9-]+-[0-9a-f]{10}$/)
    assert.equal(first.cursor.load(), null)
    first.cursor.save({ cluster: 'c1', xid: '18446744073709551615', id: 9_007_199_254_740_991 })
    first.outbox.put([entry])
    first.outbox.put([
      { ...entry, claimToken: 4 },
      { ...entry, claimToken: 5 },
    ])
    first.outbox.remove([
      { id: 7, claimToken: 4 },
      { id: 7, claimToken: 99 },
    ])
    first.outbox.remove([{ id: 7, claimToken: 5 }])
    first.close()
    first.close()

    const second = open()
    assert.equal(second.workerId, first.workerId)
    assert.deepEqual(second.cursor.load(), {
      cluster: 'c1',
      xid: '18446744073709551615',
      id: 9_007_199_254_740_991,
    })
    assert.deepEqual(second.outbox.list(), [entry])
    second.outbox.remove([entry])
    assert.deepEqual(second.outbox.list(), [])
    second.close()
    assert.deepEqual(warnings, [])
  })

  test('makes its folder, and a lost one begins anew with another worker id', () => {
    path = join(folder, 'a', 'b', 'state.sqlite')
    const first = open()
    first.close()
    rmSync(path)
    const second = open()
    second.close()
    assert.notEqual(second.workerId, first.workerId)
  })

  test('is the same worker under a new name, and another one in a copy', () => {
    const first = open()
    first.outbox.put([entry])
    first.close()
    const original = path
    path = join(folder, 'renamed.sqlite')
    renameSync(original, path)
    const renamed = open()
    renamed.close()
    assert.equal(renamed.workerId, first.workerId)

    copyFileSync(path, join(folder, 'copy.sqlite'))
    path = join(folder, 'copy.sqlite')
    const copy = open()
    assert.notEqual(copy.workerId, first.workerId)
    assert.deepEqual(copy.outbox.list(), [], "the original's uploads are the original's to settle")
    assert.deepEqual(codes(), ['state_copied'])
    copy.close()
    open().close()
    assert.deepEqual(codes(), ['state_copied'], 'said once')
  })

  test('of another project is set aside whole', () => {
    const first = open()
    first.outbox.put([entry])
    first.close()
    const second = open('https://b.test')
    assert.deepEqual(second.outbox.list(), [])
    assert.notEqual(second.workerId, first.workerId)
    second.close()
    assert.deepEqual(codes(), ['state_set_aside'])
    const aside = readdirSync(folder).find(name => name.includes('.aside-'))
    path = join(folder, aside ?? '')
    const back = open()
    assert.equal(back.workerId, first.workerId)
    assert.deepEqual(back.outbox.list(), [entry])
    back.close()
  })

  test('a temporary one leaves nothing behind', () => {
    const state = openTemporaryState({ project: PROJECT, warn: warning => warnings.push(warning) })
    state.outbox.put([entry])
    assert.deepEqual(state.outbox.list(), [entry])
    assert.match(state.workerId, /-[0-9a-f]{10}$/)
    state.close()
    assert.deepEqual(readdirSync(folder), [])
  })
})

describe('two processes on one file', () => {
  test('the second refuses and says so, the first is not disturbed, and after it the file is free', async () => {
    const { child, said } = await otherProcess(path, 'hold')
    assert.throws(open, (error: unknown) => {
      assert.ok(error instanceof UserError)
      assert.match(error.message, /in use by another process/)
      assert.match(error.hint ?? '', /STATE_FILE/)
      return true
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const state = open()
    assert.equal(state.workerId, said.workerId)
    state.close()
    assert.deepEqual(warnings, [])
  })

  test('the same the other way round', async () => {
    const state = open()
    state.outbox.put([entry])
    const { said } = await otherProcess(path)
    assert.equal(said.name, 'UserError')
    assert.match(said.message ?? '', /in use by another process/)
    assert.deepEqual(state.outbox.list(), [entry])
    state.close()
  })

  test('started together, exactly one of three gets it', async () => {
    const all = await Promise.all([1, 2, 3].map(() => otherProcess(path, 'hold')))
    const winners = all.filter(({ said }) => said.workerId !== undefined)
    assert.equal(winners.length, 1, JSON.stringify(all.map(({ said }) => said)))
  })

  test('what was put before a SIGKILL is there afterwards', async () => {
    const { child, said } = await otherProcess(path, 'put')
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.ok(existsSync(`${path}-wal`), 'it was killed with the journal still open')
    const state = open()
    assert.equal(state.workerId, said.workerId)
    assert.equal(state.outbox.list().length, 1)
    assert.deepEqual(state.cursor.load(), { cluster: 'c', xid: '18446744073709551615', id: 7 })
    state.close()
  })
})

describe('a file that is not usable', () => {
  const asides = () => readdirSync(folder).filter(name => /\.aside-\d+T\d+Z$/.test(name))

  for (const [what, content] of [
    ['text', 'SUPABASE_URL=https://a.test\n'.repeat(50)],
    ['one letter', 'x'],
    ['nothing but zeros', Buffer.alloc(8192)],
  ] as const) {
    test(`${what} is renamed, kept, and begun anew`, () => {
      writeFileSync(path, content)
      const state = open()
      state.outbox.put([entry])
      state.close()
      assert.deepEqual(codes(), ['state_set_aside'])
      assert.equal(asides().length, 1)
      assert.match(warnings[0]?.message ?? '', new RegExp(asides()[0] ?? 'none'))
      assert.deepEqual(readFileSync(join(folder, asides()[0] ?? '')), Buffer.from(content))
    })
  }

  test('an empty file is simply a new one', () => {
    writeFileSync(path, '')
    open().close()
    assert.deepEqual(warnings, [])
  })

  test('a page overwritten in the middle is noticed', () => {
    const state = open()
    for (let id = 0; id < 500; id++) state.outbox.put([{ ...entry, id }])
    state.close()
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, 5 * 4096)
    const again = open()
    assert.deepEqual(codes(), ['state_set_aside'])
    assert.deepEqual(again.outbox.list(), [])
    again.close()
  })

  test('one of another layout, or with a table missing, is begun anew', () => {
    for (const damage of ['pragma user_version = 999', 'drop table outbox']) {
      open().close()
      const database = new Database(path)
      database.exec(damage)
      database.close()
      warnings = []
      open().close()
      assert.deepEqual(codes(), ['state_set_aside'], damage)
    }
  })

  test("another program's database is refused and left as it is", () => {
    const other = new Database(path)
    other.exec('create table customers (name text)')
    other.close()
    const before = readFileSync(path)
    assert.throws(
      open,
      (error: unknown) => error instanceof UserError && /another program/.test(error.message),
    )
    assert.deepEqual(readFileSync(path), before)
    assert.deepEqual(readdirSync(folder), ['state.sqlite'])
  })

  test('an entry that cannot be read is left out, with a warning', () => {
    const state = open()
    state.outbox.put([entry])
    state.close()
    const database = new Database(path)
    database.exec(
      `insert into outbox values (8, 1, 'attachments', '{"outcome":'), (9, 1, 'attachments', '{}')`,
    )
    database.close()
    const again = open()
    assert.deepEqual(again.outbox.list(), [entry])
    assert.deepEqual(codes(), ['state_entry_unreadable', 'state_entry_unreadable'])
    again.close()
  })
})

describe('a place that cannot be written', () => {
  test('a folder that cannot be made', () => {
    writeFileSync(join(folder, 'file'), '')
    path = join(folder, 'file', 'state.sqlite')
    assert.throws(open, (error: unknown) => error instanceof UserError && /folder/.test(error.message))
  })

  test('a folder in place of the file', () => {
    mkdirSync(path)
    assert.throws(open, UserError)
    assert.ok(existsSync(path))
  })

  // Root may write anywhere, so the child drops to another user.
  const uid = process.getuid?.() === 0 ? 65_534 : undefined

  test('a folder without permission', async () => {
    chmodSync(folder, 0o555)
    const { said } = await otherProcess(path, undefined, uid)
    assert.equal(said.name, 'UserError')
    assert.match(said.message ?? '', /cannot be opened for writing/)
    assert.match(said.hint ?? '', /STATE_FILE/)
  })

  test('a file without permission', async () => {
    open().close()
    chmodSync(path, 0o444)
    chmodSync(folder, 0o755)
    const { said } = await otherProcess(path, undefined, uid)
    assert.equal(said.name, 'UserError')
    assert.match(said.message ?? '', /cannot be opened for writing/)
    assert.deepEqual(said.warnings, [], 'and it is not taken for damaged')
  })

  test('a disk that fills up while we run is told once for each bout, and nothing is thrown', () => {
    const database = new Database(path)
    database.exec('create table t (a text)')
    const insert = database.prepare('insert into t values (?)')
    const write = bestEffort(path, warning => warnings.push(warning))
    const fill = () => write(() => insert.run('x'.repeat(100_000)))
    database.pragma('max_page_count = 4')
    fill()
    fill()
    assert.deepEqual(codes(), ['state_write_failed'])
    assert.match(warnings[0]?.message ?? '', /full/)
    database.pragma('max_page_count = 1000')
    fill()
    database.pragma('max_page_count = 4')
    database.exec('delete from t')
    database.pragma('max_page_count = 4')
    for (let turn = 0; turn < 30; turn++) fill()
    assert.deepEqual(codes(), ['state_write_failed', 'state_write_failed'])
    database.close()
  })
})

test('a journal left beside a damaged file goes with it', () => {
  writeFileSync(path, 'damaged')
  appendFileSync(`${path}-wal`, 'journal')
  open().close()
  const names = readdirSync(folder).sort()
  assert.deepEqual(names.filter(name => /\.aside-\d+T\d+Z-wal$/.test(name)).length, 1, names.join())
})
