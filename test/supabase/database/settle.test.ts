import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDatabase } from '../../support/database.ts'
import {
  attachment,
  claim,
  claimOne,
  eventsOf,
  expireLease,
  pending,
  release,
  settle,
  sqlState,
  unsuccessful,
  uploaded,
} from './functions.ts'

async function claimed(t: { after(end: () => Promise<void>): void }) {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  return { db, id, row: await claimOne(db, 'w', id) }
}

test('uploaded: the object, the count, the events, no lease', async t => {
  const { db, id, row } = await claimed(t)
  const notes = [{ event: 'type_differs', detail: { declared: 'image/jpeg', found: 'image/png' } }]
  const [answer] = await settle(db, 'w', [uploaded(row, { notes, size_bytes: 0 })])
  assert.deepEqual(answer, { id, claim_token: 1, answer: 'applied', upload_status: 'UPLOADED' })
  const after = await attachment(db, id)
  assert.equal(after.object_key, `${row.object_prefix}/${id}-1.jpg`)
  assert.deepEqual(
    [after.upload_attempts, after.size_bytes, after.sha256, after.content_type, after.verified],
    [1, 0, 'ab'.repeat(32), 'image/jpeg', true],
  )
  assert.deepEqual([after.leased_by, after.leased_until, after.error_code], [null, null, null])
  assert.ok(after.uploaded_at instanceof Date)
  const [, note, told] = await eventsOf(db, id)
  assert.deepEqual(note, { attachment_id: id, worker: 'w', ...notes[0] })
  assert.deepEqual([told?.event, told?.worker, told?.detail.attempt], ['uploaded', 'w', 1])
})

test('retry: one attempt more, PENDING, due when asked for', async t => {
  const { db, id, row } = await claimed(t)
  const [answer] = await settle(db, 'w', [unsuccessful(row, 'retry', { retry_in_ms: 90_000 })])
  assert.equal(answer?.upload_status, 'PENDING')
  const after = await attachment(db, id)
  assert.deepEqual(
    [after.upload_attempts, after.error_code, after.error_message],
    [1, 'some_code', 'what happened'],
  )
  const [due] = await db.rows(
    'select extract(epoch from next_attempt_at - updated_at)::int as seconds from attachments where id = $1',
    [id],
  )
  assert.deepEqual(due, { seconds: 90 })
  assert.deepEqual((await eventsOf(db, id)).at(-1), {
    attachment_id: id,
    worker: 'w',
    event: 'retry',
    detail: {
      claim_token: 1,
      attempt: 1,
      max_attempts: 5,
      error_code: 'some_code',
      error_message: 'what happened',
      retry_in_ms: 90_000,
    },
  })
  assert.deepEqual((await claim(db, 'w')).claims, [], 'too early')
})

test('the retry that reaches max_attempts is FAILED, and not sooner', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  const statuses = []
  for (let attempt = 1; attempt <= 5; attempt++) {
    const [answer] = await settle(db, 'w', [
      unsuccessful(await claimOne(db, 'w', id), 'retry', { retry_in_ms: 0 }),
    ])
    statuses.push(answer?.upload_status)
  }
  assert.deepEqual(statuses, ['PENDING', 'PENDING', 'PENDING', 'PENDING', 'FAILED'])
  const after = await attachment(db, id)
  assert.deepEqual([after.upload_attempts, after.error_code], [5, 'some_code'])
  assert.equal((await eventsOf(db, id)).at(-1)?.event, 'failed')
})

test('failed: at once, counted', async t => {
  const { db, id, row } = await claimed(t)
  const [answer] = await settle(db, 'w', [unsuccessful(row, 'failed')])
  assert.equal(answer?.upload_status, 'FAILED')
  assert.equal((await attachment(db, id)).upload_attempts, 1)
})

test('interrupted: no attempt, no event, due when told, any number of times', async t => {
  const db = await freshDatabase(t)
  const [id = 0] = await pending(db, 1)
  for (let time = 0; time < 7; time++) {
    const row = await claimOne(db, 'w', id)
    const [answer] = await settle(db, 'w', [unsuccessful(row, 'interrupted', { retry_in_ms: 0 })])
    assert.deepEqual([answer?.answer, answer?.upload_status], ['applied', 'PENDING'])
  }
  const after = await attachment(db, id)
  assert.deepEqual([after.upload_attempts, after.claim_token, after.error_code], [0, 7, 'some_code'])
  assert.equal((await eventsOf(db, id)).length, 1)
})

test('success clears the error of an earlier attempt', async t => {
  const { db, id, row } = await claimed(t)
  await settle(db, 'w', [unsuccessful(row, 'retry', { retry_in_ms: 0 })])
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', id))])
  const after = await attachment(db, id)
  assert.deepEqual([after.error_code, after.error_message, after.upload_attempts], [null, null, 2])
})

test('the error text is cut at 500 code points', async t => {
  const { db, id, row } = await claimed(t)
  await settle(db, 'w', [unsuccessful(row, 'failed', { error_message: '😀'.repeat(501) })])
  assert.equal((await attachment(db, id)).error_message, '😀'.repeat(500))
})

test('sent again because the answer was lost: already, and nothing is counted or told twice', async t => {
  for (const result of [
    uploaded,
    (row: Parameters<typeof uploaded>[0]) => unsuccessful(row, 'retry'),
    (row: Parameters<typeof uploaded>[0]) => unsuccessful(row, 'failed'),
    (row: Parameters<typeof uploaded>[0]) => unsuccessful(row, 'interrupted'),
  ]) {
    await t.test(
      result(await Promise.resolve({ id: 1, claim_token: 1, object_prefix: '1' })).outcome,
      async t => {
        const { db, id, row } = await claimed(t)
        const [first] = await settle(db, 'w', [result(row)])
        const before = [await attachment(db, id), await eventsOf(db, id)]
        const [second] = await settle(db, 'w', [result(row)])
        assert.deepEqual(second, { ...first, answer: 'already' })
        assert.deepEqual([await attachment(db, id), await eventsOf(db, id)], before)
      },
    )
  }
})

test('lost: another token, another worker, another row, another outcome than before', async t => {
  const { db, id, row } = await claimed(t)
  const answerTo = async (worker: string, result: unknown) => (await settle(db, worker, [result]))[0]?.answer
  const before = await attachment(db, id)
  assert.equal(await answerTo('w', uploaded({ ...row, claim_token: 0 })), 'lost')
  assert.equal(await answerTo('w', uploaded({ ...row, claim_token: 2 })), 'lost')
  assert.equal(await answerTo('v', uploaded(row)), 'lost')
  assert.equal(await answerTo('v', unsuccessful(row, 'failed')), 'lost')
  assert.equal(await answerTo('w', uploaded({ ...row, id: id + 1 })), 'lost')
  assert.deepEqual(await attachment(db, id), before)
  assert.equal(await answerTo('w', unsuccessful(row, 'retry')), 'applied')
  assert.equal(await answerTo('w', uploaded(row)), 'lost')
  assert.equal((await attachment(db, id)).upload_status, 'PENDING')
})

test('a worker whose claim was taken over can settle nothing', async t => {
  const { db, id, row } = await claimed(t)
  await expireLease(db, id)
  const second = await claimOne(db, 'v', id)
  for (const result of [uploaded(row), unsuccessful(row, 'retry'), unsuccessful(row, 'failed')]) {
    assert.equal((await settle(db, 'w', [result]))[0]?.answer, 'lost')
  }
  assert.equal((await settle(db, 'v', [uploaded(second)]))[0]?.answer, 'applied')
  assert.equal((await settle(db, 'w', [uploaded(row)]))[0]?.answer, 'lost')
  assert.equal((await attachment(db, id)).object_key, `${row.object_prefix}/${id}-2.jpg`)
})

test('a lease that ran out and was not taken over can still be settled', async t => {
  const { db, id, row } = await claimed(t)
  await expireLease(db, id)
  assert.equal((await settle(db, 'w', [uploaded(row)]))[0]?.answer, 'applied')
})

test('never "lost" for the object that the row names, whoever settled it', async t => {
  const { db, id, row } = await claimed(t)
  const key = uploaded(row).object_key
  await expireLease(db, id)
  const second = await claimOne(db, 'v', id)
  // The second found the first one's object whole and settled with it.
  assert.equal((await settle(db, 'v', [uploaded(second, { object_key: key })]))[0]?.answer, 'applied')
  assert.equal((await settle(db, 'w', [uploaded(row)]))[0]?.answer, 'already')
})

test('an upload that was finished before the crash is settled after the release, until somebody claims', async t => {
  const { db, id, row } = await claimed(t)
  assert.deepEqual((await release(db, 'w')).released, [id])
  assert.equal((await settle(db, 'v', [uploaded(row)]))[0]?.answer, 'lost')
  assert.equal((await settle(db, 'w', [uploaded(row)]))[0]?.answer, 'applied')
  assert.equal((await attachment(db, id)).upload_status, 'UPLOADED')
})

test('a batch of 500 is answered in the order given', async t => {
  const db = await freshDatabase(t)
  await pending(db, 500)
  const { claims } = await claim(db, 'w', { max: 500 })
  const results = claims.toReversed().map((row, n) => {
    if (n % 4 === 0) return unsuccessful(row, 'retry')
    if (n % 4 === 1) return unsuccessful(row, 'failed')
    if (n % 4 === 2) return unsuccessful({ ...row, claim_token: 9 }, 'interrupted')
    return uploaded(row)
  })
  const answers = await settle(db, 'w', results)
  assert.deepEqual(
    answers.map(answer => answer.id),
    results.map(result => result.id),
  )
  assert.deepEqual(
    answers.slice(0, 4).map(({ answer, upload_status }) => [answer, upload_status]),
    [
      ['applied', 'PENDING'],
      ['applied', 'FAILED'],
      ['lost', 'UPLOADING'],
      ['applied', 'UPLOADED'],
    ],
  )
  assert.deepEqual(await settle(db, 'w', []), [])
})

test('a malformed result refuses the whole batch with class 22 or 23, and nothing is settled', async t => {
  const db = await freshDatabase(t)
  const [good = 0, bad = 0] = await pending(db, 2)
  const whole = await claimOne(db, 'w', good)
  const row = await claimOne(db, 'w', bad)
  const malformed = {
    'an unknown outcome': [{ ...uploaded(row), outcome: 'sorted' }, '22023'],
    'no reason': [{ ...unsuccessful(row, 'failed'), error_code: null }, '22023'],
    'no token': [{ ...uploaded(row), claim_token: null }, '22023'],
    'a size that is none': [uploaded(row, { size_bytes: 'much' }), '22P02'],
    'another row’s key': [uploaded(row, { object_key: uploaded(whole).object_key }), '23514'],
    'no key': [uploaded(row, { object_key: null }), '23514'],
    'a hash that is none': [uploaded(row, { sha256: 'AA' }), '23514'],
    'notes that are none': [uploaded(row, { notes: 'note' }), '22023'],
    'the same row twice': [uploaded(whole), '22023'],
  } as const
  for (const [what, [result, code]] of Object.entries(malformed)) {
    await assert.rejects(settle(db, 'w', [uploaded(whole), result]), sqlState(code), what)
  }
  await assert.rejects(settle(db, 'w', Array(501).fill(uploaded(whole))), sqlState('22023'))
  assert.equal((await attachment(db, good)).upload_status, 'UPLOADING')
})

test('two settles of one claim at once: one applied, one already', async t => {
  const { db, id, row } = await claimed(t)
  const answers = await Promise.all(Array.from({ length: 8 }, () => settle(db, 'w', [uploaded(row)])))
  const counts = Object.groupBy(answers.flat(), answer => answer.answer)
  assert.deepEqual([counts.applied?.length, counts.already?.length], [1, 7])
  assert.equal((await attachment(db, id)).upload_attempts, 1)
})

test('overlapping batches in opposite order do not deadlock', async t => {
  const db = await freshDatabase(t)
  await pending(db, 200)
  const { claims } = await claim(db, 'w', { max: 200 })
  const results = claims.map(row => uploaded(row))
  const answers = await Promise.all([
    settle(db, 'w', results),
    settle(db, 'w', results.toReversed()),
    settle(db, 'w', results),
    settle(db, 'w', results.toReversed()),
  ])
  const counts = Object.groupBy(answers.flat(), answer => answer.answer)
  assert.deepEqual([counts.applied?.length, counts.already?.length], [200, 600])
})
