import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import pg from 'pg'
import { PACKAGE_ROOT } from '../../../src/local/prepare.ts'
import { startProject } from '../../../src/local/project.ts'
import { coordinatesOf } from '../../support/coordinates.ts'
import { startTestDaemon } from '../../support/daemon.ts'
import { freshDatabase } from '../../support/database.ts'
import { testProject } from '../../support/project.ts'

const EXAMPLES = join(PACKAGE_ROOT, 'supabase', 'examples')

// A project of its own: the Data API reads the tables once, at its start.
const ends: (() => Promise<void>)[] = []
const database = await freshDatabase({ after: end => void ends.push(end) })
await database.rows(readFileSync(join(EXAMPLES, 'arrivals.sql'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'mediaferry-arrivals-'))
const local = await startProject({ folder, databaseUrl: database.url })
const pool = new pg.Pool({ connectionString: database.url, max: 2 })
const project = testProject(coordinatesOf(local), pool)
after(async () => {
  await pool.end()
  await local.stop()
  // After all who use it: the project's parts would try to reach it for ever.
  for (const end of ends) await end()
  rmSync(folder, { recursive: true, force: true })
})

/** The application's worker; what it prints, line by line. */
async function startWorker() {
  const child = spawn(process.execPath, [join(EXAMPLES, 'arrivals.ts')], {
    env: { ...process.env, SUPABASE_URL: project.url, SUPABASE_SECRET_KEY: project.secretKey },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    next: async (): Promise<unknown> => JSON.parse((await lines.next()).value ?? 'null'),
    stop: async () => {
      child.kill()
      await once(child, 'exit')
    },
  }
}

test('an application hears of a file that arrives while it runs, and of one that arrived while it did not', async t => {
  const daemon = await startTestDaemon(project)
  t.after(daemon.stop)
  await project.deliver(await project.message('image'))
  await daemon.settled(1)

  const worker = await startWorker()
  t.after(worker.stop)
  const expected = await pool.query('select id::int as arrived, size_bytes::int as bytes from attachments')
  assert.deepEqual(await worker.next(), expected.rows[0])

  await project.deliver(await project.message('audio'))
  const { rows } = await pool.query("select id::int as id from attachments where kind = 'audio'")
  const second = await worker.next()
  assert.ok(second instanceof Object && 'arrived' in second)
  assert.equal(second.arrived, rows[0]?.id)
})

test('a file that cannot be dealt with keeps nothing behind it waiting, and stays in the list', async t => {
  await pool.query('delete from arrivals')
  const daemon = await startTestDaemon(project)
  t.after(daemon.stop)
  await project.deliver(await project.message('image'), await project.message('image'))
  await daemon.settled(2)
  const { rows } = await pool.query(
    'select attachment_id::int as id, a.object_key from arrivals join attachments a on a.id = attachment_id order by 1',
  )
  await pool.query("update arrivals set arrived_at = now() - interval '1 hour' where attachment_id = $1", [
    rows[0].id,
  ])
  const removed = await fetch(`${project.url}/storage/v1/object/attachments`, {
    method: 'DELETE',
    headers: { apikey: project.secretKey, 'content-type': 'application/json' },
    body: JSON.stringify({ prefixes: [rows[0].object_key] }),
  })
  assert.ok(removed.ok)

  const worker = await startWorker()
  t.after(worker.stop)
  const dealt = await worker.next()
  assert.ok(dealt instanceof Object && 'arrived' in dealt)
  assert.equal(dealt.arrived, rows[1].id)
  const left = await pool.query('select attachment_id::int as id from arrivals where attachment_id = $1', [
    rows[0].id,
  ])
  assert.equal(left.rowCount, 1)
})
