import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { startDataApi } from './data-api.ts'

test('held: what was released at the start is none of it, and waits for its pause', async () => {
  await using api = await startDataApi()
  const database = openDatabase({ url: api.url, key: 'sb_secret_x' })
  api.answer({ json: [{ id: 7, claim_token: 2 }] })
  assert.deepEqual(await database.held('w'), [{ id: 7, claimToken: 2 }])
  const { searchParams } = new URL(api.calls.at(-1)?.path ?? '', 'http://api')
  const asked = ['upload_status', 'leased_by', 'leased_until'].map(name => searchParams.get(name))
  assert.deepEqual(asked, ['eq.UPLOADING', 'eq.w', 'not.is.null'])
  await database.close()
})
