import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase } from '../../support/database.ts'
import { attachment, claimOne, pending, settle, sqlState, uploaded } from './functions.ts'

const REFUSED = sqlState('23514')

/** What a PENDING row may never be changed into, and why. */
const MIXED = {
  'PENDING with a lease': "leased_by = 'w', leased_until = now()",
  'PENDING with an object': "object_key = object_prefix || '/' || id || '-1.jpg'",
  'PENDING with no attempt left': 'upload_attempts = max_attempts',
  'PENDING and verified': 'verified = true',
  'PENDING without a media id': 'whatsapp_media_id = null',
  'UPLOADING with no attempt left': "upload_status = 'UPLOADING', upload_attempts = max_attempts",
  'UPLOADED without an object': "upload_status = 'UPLOADED', uploaded_at = now()",
  'UPLOADED without a hash':
    "upload_status = 'UPLOADED', uploaded_at = now(), size_bytes = 1, content_type = 'a/b', object_key = object_prefix || '/' || id || '-1.jpg'",
  'UPLOADED with the key of another row':
    "upload_status = 'UPLOADED', uploaded_at = now(), size_bytes = 1, content_type = 'a/b', sha256 = repeat('a', 64), object_key = object_prefix || '/' || (id + 1) || '-1.jpg'",
  'UPLOADED with a climbing key':
    "upload_status = 'UPLOADED', uploaded_at = now(), size_bytes = 1, content_type = 'a/b', sha256 = repeat('a', 64), object_key = object_prefix || '/' || id || '-/../x'",
  'UPLOADED with an error':
    "upload_status = 'UPLOADED', uploaded_at = now(), size_bytes = 1, content_type = 'a/b', sha256 = repeat('a', 64), object_key = object_prefix || '/' || id || '-1.jpg', error_code = 'x'",
  'FAILED without a reason': "upload_status = 'FAILED'",
  'FAILED with a lease': "upload_status = 'FAILED', error_code = 'x', leased_by = 'w'",
  'more attempts than allowed':
    "upload_status = 'FAILED', error_code = 'x', upload_attempts = max_attempts + 1",
  'a negative count': 'upload_attempts = -1',
  'an unknown kind': "kind = 'gif'",
  'a hash that is none': "declared_sha256 = 'AB'",
  'a message of 501 code points': "error_message = repeat('😀', 501)",
  'a time without end': "sent_at = 'infinity'",
} as const

test('a mixed state is refused', async t => {
  const db = await freshDatabase(t)
  const [id] = await pending(db, 1)
  for (const [state, change] of Object.entries(MIXED)) {
    await t.test(state, async () => {
      await assert.rejects(db.rows(`update attachments set ${change} where id = $1`, [id]), REFUSED)
    })
  }
})

test('allowed: UPLOADING without a lease, which a claim recovers, and 500 code points of error', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  await db.rows(
    "update attachments set upload_status = 'UPLOADING', error_message = repeat('😀', 500) where id = $1",
    [id],
  )
  assert.equal((await claimOne(db, 'w', id)).lost_leases, 0)
})

test('the token never goes back and the prefix never changes', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', id))])
  for (const change of ['claim_token = 0', "object_prefix = 'unassigned'", "created_xid = '1'"]) {
    await assert.rejects(
      db.rows(`update attachments set ${change} where id = $1`, [id]),
      sqlState('23000'),
      change,
    )
  }
  await db.rows('update attachments set claim_token = claim_token + 1 where id = $1', [id])
  assert.equal((await attachment(db, id)).claim_token, 2)
})

test('a deleted lead leaves its attachments behind, without a lead', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  const { lead_id, object_prefix } = await attachment(db, id)
  assert.equal(object_prefix, String(lead_id))
  await db.rows('delete from leads where id = $1', [lead_id])
  const after = await attachment(db, id)
  assert.equal(after.lead_id, null)
  assert.equal(after.object_prefix, object_prefix)
})

test('a lead has an identity, and each identity one lead', async t => {
  const db = await freshDatabase(t)
  await assert.rejects(db.rows("insert into leads (profile_name) values ('Nobody')"), REFUSED)
  await db.rows("insert into leads (phone) values ('490000001')")
  await assert.rejects(
    db.rows("insert into leads (user_id, phone) values ('DE.1', '490000001')"),
    sqlState('23505'),
  )
})
