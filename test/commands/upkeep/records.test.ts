import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newMessageId } from '../../../supabase/functions/whatsapp-webhook/compose.ts'
import { takeProject } from '../../support/project.ts'
import { commandsFor } from './command.ts'

const LIMIT = { timeout: 60_000 }
const project = await takeProject()
const { run } = commandsFor(project)

async function reject(text: string, phoneNumberId: string | null = null): Promise<string> {
  const { rows } = await project.database.query<{ id: string }>(
    `insert into public.rejected_payloads (reason, payload, phone_number_id)
     values ('of an older version', $1, $2) returning id`,
    [Buffer.from(text), phoneNumberId],
  )
  return rows[0]?.id ?? ''
}

test('rejected lists, shows as harmless text, and lets go of what is understood now', LIMIT, async () => {
  const id = newMessageId()
  const wanted = { id, from: '15550001234', timestamp: '1800000000', type: 'image', image: { id: '4711' } }
  const good = await reject(JSON.stringify(wanted), '106540352242922')
  const bad = await reject('{"entry":"\u009b2J"}')
  const list = await run(['rejected'])
  assert.equal(list.code, 0, list.err)
  assert.match(list.out, new RegExp(`^ *${bad} .*of an older version\\n *${good} `, 'm'))
  assert.match((await run(['rejected', '--show', bad])).out, /^\{"entry":"\\u009b2J"\}$/m)

  const { code, out } = await run(['rejected', '--reprocess'])
  assert.equal(code, 1)
  const { rows } = await project.database.query<{ id: string; upload_status: string }>(
    'select id, upload_status from public.attachments where message_id = $1',
    [id],
  )
  assert.deepEqual([rows.length, rows[0]?.upload_status], [1, 'PENDING'])
  assert.match(out, new RegExp(`^${good}: taken in, attachment ${rows[0]?.id}$`, 'm'))
  assert.match(out, new RegExp(`^${bad}: still refused, no list of entry$`, 'm'))
  const left = await project.database.query('select id, times from public.rejected_payloads')
  assert.deepEqual(left.rows, [{ id: bad, times: 1 }])
})

test('prune counts, then removes what is old, page by page', LIMIT, async () => {
  await project.database.query(
    `insert into public.system_events (event, created_at)
     select 'old', now() - interval '100 days' from generate_series(1, 1203)`,
  )
  const count = async () =>
    (await project.database.query("select from public.system_events where event = 'old'")).rowCount
  const dry = await run(['prune', '--dry-run', '--json'])
  assert.deepEqual(JSON.parse(dry.out), { dry_run: true, events: 1203, processed: 0, rejected: 0 })
  assert.equal(await count(), 1203)
  const { code, out } = await run(['prune'])
  assert.equal(code, 0)
  assert.match(out, /events of files that are through, and general ones +1203/)
  assert.equal(await count(), 0)
  assert.match((await run(['prune', '--processed', '7d'])).err, /from 8d/)
})
