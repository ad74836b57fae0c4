import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeProject } from '../support/project.ts'
import { eventually, openScene } from '../support/scene.ts'

const scene = openScene(await takeProject())
const { database } = scene.project
const limit = { timeout: 30_000 }

test(
  'PENDING to UPLOADING to UPLOADED: while it is carried the row says by whom and for how long',
  limit,
  async () => {
    const proxy = await scene.storageProxy()
    const { promise: letGo, resolve: release } = Promise.withResolvers<void>()
    proxy.fail(letGo, { on: /^POST \/object\/attachments\// })
    const sent = await scene.file()
    await scene.deliver(sent)
    const waiting = await scene.row(sent)
    assert.equal(waiting.upload_status, 'PENDING')
    assert.equal(waiting.claim_token, '0')

    const daemon = await scene.daemon({ SUPABASE_URL: proxy.url })
    await proxy.asked(/^POST \/object\/attachments\//)
    const carried = await scene.row(sent)
    assert.equal(carried.upload_status, 'UPLOADING')
    assert.equal(carried.leased_by, daemon.worker)
    assert.equal(carried.claim_token, '1')
    assert.equal(carried.upload_attempts, 0, 'an attempt counts when it has ended')
    assert.ok(carried.leased_until !== null)
    const lease = carried.leased_until.getTime() - Date.now()
    assert.ok(lease > 30_000 && lease <= 61_000, `leased for ${lease} ms`)
    assert.deepEqual(await scene.objectsOf(sent), [])

    release()
    await daemon.settled(1)
    const { object_key: key, lead_id: lead, id } = await scene.uploaded(sent)
    assert.equal(key, `${lead}/${id}-1.jpg`)
    assert.deepEqual(await scene.events(sent), ['received', 'uploaded'])
  },
)

test(
  'PENDING to FAILED after exactly five attempts, each told, and nothing tries a sixth',
  limit,
  async () => {
    const sent = await scene.file()
    await scene.fault({ on: 'media', fault: 'wrong_hash', mediaId: sent.message.media.id })
    await scene.deliver(sent)
    const daemon = await scene.daemon()
    for (let attempt = 1; attempt <= 4; attempt++) {
      await daemon.settled(attempt)
      const row = await scene.notUploaded(sent, { status: 'PENDING', code: 'integrity', attempts: attempt })
      assert.ok(row.next_attempt_at.getTime() - Date.now() > 4 * 60_000, 'not due before RETRY_DELAY')
      await scene.makeDue(sent)
    }
    await daemon.settled(5)
    const failed = await scene.notUploaded(sent, { status: 'FAILED', code: 'integrity', attempts: 5 })
    assert.match(failed.error_message ?? '', /SHA-256/)
    assert.deepEqual(await scene.events(sent), ['received', 'retry', 'retry', 'retry', 'retry', 'failed'])
    const { rows } = await database.query(
      `select detail->'attempt' as attempt from public.system_events
     where attachment_id = $1 and event in ('retry', 'failed') order by id`,
      [failed.id],
    )
    assert.deepEqual(
      rows.map(each => each.attempt),
      [1, 2, 3, 4, 5],
    )

    // Whole again, due, and announced: FAILED is final all the same.
    await scene.project.control('DELETE', 'faults')
    await database.query('update public.attachments set next_attempt_at = now() where id = $1', [failed.id])
    const next = await scene.file()
    await scene.deliver(next)
    await daemon.settled(6)
    await scene.uploaded(next)
    await scene.notUploaded(sent, { status: 'FAILED', code: 'integrity', attempts: 5 })
  },
)

test(
  'FAILED to PENDING only by an operator: attempts begin again, the fencing token goes on',
  limit,
  async () => {
    const sent = await scene.file()
    await scene.fault({ on: 'media', fault: 'wrong_hash', mediaId: sent.message.media.id, times: 1 })
    await scene.deliver(sent)
    await database.query('update public.attachments set upload_attempts = 4 where message_id = $1', [
      sent.message.id,
    ])
    const daemon = await scene.daemon()
    await daemon.settled(1)
    const { id } = await scene.notUploaded(sent, { status: 'FAILED', code: 'integrity', attempts: 5 })
    await database.query('select public.retry_attachments(array[$1]::bigint[], null, 10)', [id])
    await daemon.settled(2)
    const { object_key: key } = await scene.uploaded(sent)
    assert.match(key, /-2\.jpg$/)
  },
)

test(
  'stuck in UPLOADING with a dead lease: taken over, counted as lost, not as an attempt',
  limit,
  async () => {
    const sent = await scene.file()
    await scene.deliver(sent)
    await database.query(
      `update public.attachments set upload_status = 'UPLOADING', claim_token = 1, leased_by = 'dead',
       leased_until = now() - interval '1 second'
     where message_id = $1`,
      [sent.message.id],
    )
    const daemon = await scene.daemon()
    await daemon.settled(1)
    const row = await scene.uploaded(sent)
    assert.equal(row.claim_token, '2')
    assert.equal(row.lost_leases, 1)
    assert.deepEqual(await scene.events(sent), ['received', 'lease_lost', 'uploaded'])
  },
)

test(
  'corrupted to UPLOADING without any lease: recovered, and no lost lease is invented',
  limit,
  async () => {
    const sent = await scene.file()
    await scene.deliver(sent)
    await database.query(`update public.attachments set upload_status = 'UPLOADING' where message_id = $1`, [
      sent.message.id,
    ])
    const daemon = await scene.daemon()
    await daemon.settled(1)
    const row = await scene.uploaded(sent)
    assert.equal(row.lost_leases, 0)
  },
)

test('UPLOADING under the living lease of another worker is left alone', limit, async () => {
  const [theirs, ours] = await Promise.all([scene.file(), scene.file()])
  await scene.deliver(theirs, ours)
  await database.query(
    `update public.attachments set upload_status = 'UPLOADING', claim_token = 1, leased_by = 'other',
       leased_until = now() + interval '1 minute'
     where message_id = $1`,
    [theirs.message.id],
  )
  const before = await scene.row(theirs)
  const daemon = await scene.daemon()
  await daemon.settled(1)
  await scene.uploaded(ours)
  assert.deepEqual(await scene.row(theirs), before)

  await database.query('update public.attachments set leased_until = now() where id = $1', [before.id])
  await daemon.settled(2)
  await scene.uploaded(theirs)
})

test(
  'a row that has cost two daemons their lease rests for half a minute, and its neighbours arrive',
  limit,
  async () => {
    const [suspect, neighbour] = await Promise.all([scene.file(), scene.file()])
    await scene.deliver(suspect, neighbour)
    await database.query(
      `update public.attachments set upload_status = 'UPLOADING', claim_token = 2, leased_by = 'dead',
       leased_until = now() - interval '1 second', lost_leases = 1
     where message_id = $1`,
      [suspect.message.id],
    )
    const before = await scene.row(suspect)
    const daemon = await scene.daemon()
    await daemon.settled(1)
    await scene.uploaded(neighbour)
    assert.deepEqual(await scene.row(suspect), before)

    await database.query(
      `update public.attachments set leased_until = leased_until - interval '30 seconds' where id = $1`,
      [before.id],
    )
    await daemon.settled(2)
    const row = await scene.uploaded(suspect)
    assert.deepEqual([row.claim_token, row.lost_leases], ['3', 2])
    assert.deepEqual(await scene.events(suspect), ['received', 'lease_lost', 'uploaded'])
  },
)

test('the fifth lost lease ends a row as worker_lost, and its neighbours arrive', limit, async () => {
  const [killer, neighbour] = await Promise.all([scene.file(), scene.file()])
  await scene.deliver(killer, neighbour)
  await database.query(
    `update public.attachments set upload_status = 'UPLOADING', claim_token = 5, leased_by = 'dead',
       leased_until = now() - interval '1 second', lost_leases = 4
     where message_id = $1`,
    [killer.message.id],
  )
  const daemon = await scene.daemon()
  await daemon.until(entry => entry.code === 'worker_lost')
  await daemon.settled(1)
  await scene.uploaded(neighbour)
  await scene.notUploaded(killer, { status: 'FAILED', code: 'worker_lost', attempts: 0 })
  assert.deepEqual(await scene.asked(killer), { resolved: 0, downloaded: 0 })
})

test(
  'UPLOADED set back to PENDING by hand: the object that is there is found, Meta is not asked again',
  limit,
  async () => {
    const sent = await scene.file()
    await scene.deliver(sent)
    const daemon = await scene.daemon()
    await daemon.settled(1)
    await scene.uploaded(sent)
    // By now Meta may have deleted it.
    await scene.project.control('DELETE', `media/${sent.message.media.id}`)
    await database.query(
      `update public.attachments set upload_status = 'PENDING', upload_attempts = 0, object_key = null,
       content_type = null, size_bytes = null, sha256 = null, uploaded_at = null, verified = false
     where message_id = $1`,
      [sent.message.id],
    )
    await daemon.settled(2)
    const row = await scene.uploaded(sent)
    assert.deepEqual(await eventually(async () => await scene.objectsOf(sent)), [row.object_key])
    assert.equal(row.verified, true)
  },
)

test('UPLOADED is final: an earlier claim that comes back settles nothing', limit, async () => {
  const sent = await scene.file()
  await scene.deliver(sent)
  await database.query(
    `update public.attachments set upload_status = 'UPLOADING', claim_token = 1, leased_by = 'sleeper',
       leased_until = now() - interval '1 second'
     where message_id = $1`,
    [sent.message.id],
  )
  const daemon = await scene.daemon()
  await daemon.settled(1)
  const before = await scene.uploaded(sent)
  const own = { id: Number(before.id), claim_token: 1 }
  for (const result of [
    { ...own, outcome: 'failed', error_code: 'integrity', error_message: 'late' },
    { ...own, outcome: 'interrupted', error_code: 'stopped', retry_in_ms: 0 },
    {
      ...own,
      outcome: 'uploaded',
      object_key: before.object_key.replace('-2.', '-1.'),
      content_type: 'image/jpeg',
      size_bytes: 1,
      sha256: '0'.repeat(64),
      verified: true,
    },
  ]) {
    const { rows } = await database.query('select public.settle_attachments($1, $2) as said', [
      'sleeper',
      JSON.stringify([result]),
    ])
    assert.deepEqual(rows[0].said.answers, [{ ...own, answer: 'lost', upload_status: 'UPLOADED' }])
  }
  assert.deepEqual(await scene.uploaded(sent), before)
})

test('statuses that contradict their row are refused, whoever writes them', limit, async () => {
  const sent = await scene.file()
  await scene.deliver(sent)
  const contradictions: readonly (readonly [string, RegExp])[] = [
    [`upload_status = 'UPLOADED'`, /attachments_uploaded_whole/],
    [`upload_status = 'FAILED'`, /attachments_failed_says_why/],
    [`upload_status = 'DONE'`, /invalid input value for enum/],
    [`object_key = object_prefix || '/' || id || '-1.jpg'`, /attachments_uploaded_whole/],
    [`leased_by = 'x', leased_until = now()`, /attachments_lease/],
    ['upload_attempts = max_attempts', /attachments_attempts/],
    ['upload_attempts = -1', /attachments_attempts/],
    ['whatsapp_media_id = null', /attachments_open_has_media/],
    ['claim_token = -1', /claim_token/],
  ]
  for (const [change, refusal] of contradictions) {
    await assert.rejects(
      database.query(`update public.attachments set ${change} where message_id = $1`, [sent.message.id]),
      refusal,
      change,
    )
  }
  const daemon = await scene.daemon()
  await daemon.settled(1)
  const { id } = await scene.uploaded(sent)
  await assert.rejects(
    database.query(`update public.attachments set upload_status = 'PENDING' where id = $1`, [id]),
    /attachments_uploaded_whole/,
  )
  await assert.rejects(
    database.query('update public.attachments set claim_token = 0 where id = $1', [id]),
    /claim_token may not change/,
  )
})
