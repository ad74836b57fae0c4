import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { freshDatabase } from '../../support/database.ts'
import { claimOne, pending, settle, uploaded } from '../database/functions.ts'

const EXAMPLE = readFileSync(new URL('../../../supabase/examples/team-files.sql', import.meta.url), 'utf8')
const MEMBER = '11111111-1111-4111-8111-111111111111'
const STRANGER = '22222222-2222-4222-8222-222222222222'

test('a team member reads what arrived and nothing of ours; a stranger and anon read nothing; nobody writes', async t => {
  const db = await freshDatabase(t)
  await db.rows(EXAMPLE)
  await db.rows('insert into auth.users (id) values ($1), ($2)', [MEMBER, STRANGER])
  await db.rows('insert into team_members values ($1)', [MEMBER])
  const [first = 0] = await pending(db, 2)
  const claimed = await claimOne(db, 'w', first)
  await settle(db, 'w', [uploaded(claimed)])
  const [row] = await db.rows<{ object_key: string }>('select object_key from attachments where id = $1', [
    first,
  ])
  await db.rows("insert into storage.objects (bucket_id, name) values ('attachments', $1)", [row?.object_key])

  const client = await db.connect('authenticated')
  const as = async (user: string) =>
    client.query("select set_config('request.jwt.claim.sub', $1, false)", [user])
  const count = async (what: string) =>
    (await client.query(`select count(*)::int as n from ${what}`)).rows[0]?.n

  await as(MEMBER)
  const { rows } = await client.query('select id::int, profile_name, object_key from received_files')
  assert.deepEqual(rows, [{ id: first, profile_name: 'Somebody', object_key: row?.object_key }])
  assert.equal(await count('storage.objects'), 1)
  await assert.rejects(client.query('select claim_token from attachments'), /permission denied/)
  await assert.rejects(client.query("update attachments set caption = ''"), /permission denied/)
  await assert.rejects(client.query('select * from system_events'), /permission denied/)

  await as(STRANGER)
  for (const table of ['received_files', 'storage.objects', 'team_members'])
    assert.equal(await count(table), 0)
  const anon = await db.connect('anon')
  await assert.rejects(anon.query('select * from received_files'), /permission denied/)
})
