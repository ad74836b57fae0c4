import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conflictsInDatabase } from '../../src/commands/init/conflicts.ts'
import { DatabaseError } from '../../src/database/database-error.ts'
import { takeProject } from '../support/project.ts'

const project = await takeProject()
const place = { url: project.url, key: project.secretKey }

test("mediaferry's own tables are not in its way, somebody else's are, and a database that is away is said to be", async () => {
  assert.deepEqual(await conflictsInDatabase(place), [])
  await project.database.query('alter function public.mediaferry_schema() rename to not_there')
  try {
    assert.deepEqual(await conflictsInDatabase(place), [], 'the first migrations have no version')
    await project.database.query('alter table public.realtime_canary rename to elsewhere')
    try {
      const found = await conflictsInDatabase(place)
      assert.ok(found.some(({ table, where }) => table === 'leads' && where === 'the database'))
      assert.ok(!found.some(({ table }) => table === 'realtime_canary'))
    } finally {
      await project.database.query('alter table public.elsewhere rename to realtime_canary')
    }
  } finally {
    await project.database.query('alter function public.not_there() rename to mediaferry_schema')
  }
  await assert.rejects(conflictsInDatabase({ ...place, url: 'http://127.0.0.1:9' }), DatabaseError)
})
