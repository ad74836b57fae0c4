import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { takeProject } from '../support/project.ts'
import { assertCarried, rowOf } from '../support/rows.ts'
import { eventually } from '../support/scene.ts'
import { type DaemonProcess, daemonHome } from './daemon-process.ts'

const LIMIT = { timeout: 60_000 }
const OFTEN = { SWEEP_INTERVAL: '1s' }
const PRELOAD = new URL('./kill-at-cursor.ts', import.meta.url).href

const project = await takeProject()

/** The cursor as the next life will find it. The file itself is not opened: that alone would mend it. */
function cursorIn(t: TestContext, stateFile: string): unknown {
  const copy = mkdtempSync(join(tmpdir(), 'mediaferry-state-copy-'))
  t.after(() => rmSync(copy, { recursive: true, force: true }))
  cpSync(dirname(stateFile), copy, { recursive: true })
  const database = new Database(join(copy, basename(stateFile)))
  try {
    assert.equal(database.pragma('integrity_check', { simple: true }), 'ok')
    return database.prepare('select cluster, xid, id from cursor').get()
  } finally {
    database.close()
  }
}

/** What a kill between two of SQLite's writes of one page leaves: a part of the last frame of the journal. */
function tear(stateFile: string): void {
  const journal = `${stateFile}-wal`
  truncateSync(journal, statSync(journal).size - 2000)
}

const workerOf = ({ entries }: DaemonProcess) => entries.find(({ msg }) => msg === 'ready')?.worker

test('killed while it writes its cursor: the state file stays whole, and no row is lost', LIMIT, async t => {
  const place = daemonHome(project)
  t.after(() => place.stop())
  const first = await place.start(OFTEN)
  const seen = await project.message('sticker')
  await project.deliver(seen)
  await first.settled(1)
  first.send('SIGTERM')
  await first.ended
  const sent = [seen]
  let cursor = cursorIn(t, place.stateFile)
  assert.ok(cursor !== undefined)

  for (const [point, torn, keepsOld] of [
    ['during', false, true],
    ['after', true, true],
    ['after', false, false],
  ] as const) {
    const found = await project.message('image')
    await project.deliver(found)
    sent.push(found)
    const dying = place.launch({ ...OFTEN, NODE_OPTIONS: `--import ${PRELOAD}`, KILL_AT_CURSOR: point })
    const { signal, lastWords } = await dying.ended
    assert.equal(signal, 'SIGKILL', lastWords)
    if (torn) tear(place.stateFile)
    const left = cursorIn(t, place.stateFile)
    if (keepsOld) assert.deepEqual(left, cursor)
    else assert.notDeepEqual(left, cursor)
    cursor = left
  }

  const last = await place.start(OFTEN)
  assert.equal(workerOf(last), workerOf(first), 'the same worker goes on')
  // What was in hand at two of the kills is a suspect by now, and waits for half a minute and more.
  await project.database.query(
    "update attachments set updated_at = now() - interval '1 hour' where upload_status = 'UPLOADING'",
  )
  await eventually(async () => {
    for (const { id } of sent) assert.equal((await rowOf(project, id)).upload_status, 'UPLOADED')
  })
  for (const message of sent) {
    const { lost_leases: lostLeases } = await rowOf(project, message.id)
    await assertCarried(project, message, { attempts: 1, lostLeases })
  }
  const told = last.entries.filter(({ code }) => typeof code === 'string' && code.startsWith('state_'))
  assert.deepEqual(told, [])
})
