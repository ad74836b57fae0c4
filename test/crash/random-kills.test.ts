import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeProject } from '../support/project.ts'
import { soak } from './soak/run.ts'

const project = await takeProject()
// Their ends are the test.
project.database.on('error', () => undefined)

/** `npm run soak` does this two hundred times, with a database that is ended itself. */
test('two daemons killed at random instants under steady mail', { timeout: 120_000 }, async () => {
  const { violations, ...report } = await soak({
    project,
    kills: 5,
    seed: 1,
    breakDatabase: async () => {
      await project.database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      )
    },
  })
  assert.deepEqual(violations, [])
  assert.equal(report.kills, 5)
  assert.ok(report.uploaded >= 10, JSON.stringify(report))
  assert.ok(
    report.lostLeases.slice(1).some(rows => rows > 0),
    'no kill met a claim',
  )
})
