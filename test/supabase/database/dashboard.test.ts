import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { callFunction, freshDatabase, type TestDatabase } from '../../support/database.ts'
import {
  attachment,
  claimOne,
  eventsOf,
  ingest,
  media,
  message,
  pending,
  settle,
  sqlState,
  unsuccessful,
  uploaded,
} from './functions.ts'

interface Listed {
  readonly rows: readonly { readonly id: number; readonly [column: string]: unknown }[]
  readonly next_before: number | null
  readonly scanned: number
  readonly people_cut: boolean
}

const list = (db: TestDatabase, args: Readonly<Record<string, unknown>> = {}) =>
  db.call<Listed>('list_attachments', args)

const idsOf = async (db: TestDatabase, args: Readonly<Record<string, unknown>>) =>
  (await list(db, args)).rows.map(({ id }) => id)

async function fail(db: TestDatabase, id: number, code: string): Promise<void> {
  await settle(db, 'w', [unsuccessful(await claimOne(db, 'w', id), 'failed', { error_code: code })])
}

async function carry(db: TestDatabase, id: number, size = 12): Promise<void> {
  await settle(db, 'w', [uploaded(await claimOne(db, 'w', id), { size_bytes: size })])
}

/** Six files of three people, one in each state and one that waits after a failed try. */
async function sixFiles(db: TestDatabase): Promise<number[]> {
  const ada = { user_id: 'DE.1', phone: '4915112345678', profile_name: 'Ada Lovelace' }
  const bob = { user_id: null, phone: '447700900123', profile_name: '100% Bob_' }
  const cyd = { user_id: 'US.C', phone: null, profile_name: null }
  const answers = await ingest(db, [
    message({ message_id: 'wamid.0', contact: ada, media: media({ caption: 'A red FERRY' }) }),
    message({ message_id: 'wamid.1', contact: ada, media: media({ kind: 'video' }) }),
    message({
      message_id: 'wamid.2',
      contact: bob,
      media: media({ kind: 'document', file_name: 'ferry%20.pdf' }),
    }),
    message({ message_id: 'wamid.3', contact: bob }),
    message({ message_id: 'wamid.4', contact: cyd }),
    message({ message_id: 'wamid.5', contact: cyd, media: media({ kind: 'sticker' }) }),
  ])
  const ids = answers.map(({ attachment_id }) => attachment_id ?? Number.NaN)
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = ids
  await carry(db, a)
  await fail(db, b, 'media_gone')
  await fail(db, c, 'too_large')
  await settle(db, 'w', [
    unsuccessful(await claimOne(db, 'w', d), 'retry', { error_code: 'too_large', retry_in_ms: 300_000 }),
  ])
  await claimOne(db, 'w', e)
  return ids
}

test('a list of nothing', async t => {
  const db = await freshDatabase(t)
  assert.deepEqual(await list(db), { rows: [], next_before: null, scanned: 0, people_cut: false })
})

test('the list is newest first, and each filter leaves what it names', async t => {
  const db = await freshDatabase(t)
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = await sixFiles(db)
  const { lead_id: ada } = await attachment(db, a)
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, readonly number[]])[] = [
    [{}, [f, e, d, c, b, a]],
    [{ status: 'UPLOADED' }, [a]],
    [{ status: 'FAILED' }, [c, b]],
    [{ status: 'PENDING' }, [f, d]],
    [{ status: 'UPLOADING' }, [e]],
    [{ kind: 'video' }, [b]],
    [{ lead_id: ada }, [b, a]],
    [{ code: 'too_large' }, [d, c]],
    [{ code: 'too_large', status: 'FAILED' }, [c]],
    [{ code: 'media_gone', kind: 'image' }, []],
    [{ containing: 'ferry' }, [c, a]],
    [{ containing: '%20' }, [c]],
    [{ containing: '_' }, []],
    [{ sender: 'lovelace' }, [b, a]],
    [{ sender: '100%' }, [d, c]],
    [{ sender: '%' }, [d, c]],
    [{ sender: '+49 151 1234-5678' }, [b, a]],
    [{ sender: '0151 123' }, [b, a]],
    [{ sender: 'us.c' }, [f, e]],
    [{ sender: 'nobody' }, []],
    [{ sender: 'lovelace', status: 'FAILED', kind: 'video' }, [b]],
    [{ sender: 'lovelace', lead_id: 999_999 }, []],
    [{ before: c }, [b, a]],
    [{ status: 'FAILED', before: c }, [b]],
  ]
  for (const [filter, expected] of cases) {
    assert.deepEqual(await idsOf(db, filter), expected, JSON.stringify(filter))
  }
})

test('pages follow each other without a gap or a repetition, whatever the filter', async t => {
  const db = await freshDatabase(t)
  const ids = await pending(db, 25)
  for (const [index, id] of ids.entries()) if (index % 3 === 0) await fail(db, id, 'integrity')
  for (const filter of [{}, { status: 'PENDING' }, { code: 'integrity' }, { kind: 'image' }]) {
    const all = await idsOf(db, { ...filter, max: 500 })
    const paged: number[] = []
    let before: number | null = null
    do {
      const page: Listed = await list(db, { ...filter, max: 4, ...(before === null ? {} : { before }) })
      assert.ok(page.rows.length <= 4)
      paged.push(...page.rows.map(({ id }) => id))
      before = page.next_before
    } while (before !== null)
    assert.deepEqual(paged, all, JSON.stringify(filter))
  }
  assert.equal((await idsOf(db, { max: 100_000 })).length, 25)
  assert.deepEqual(await list(db, { max: 0 }), { rows: [], next_before: null, scanned: 0, people_cut: false })
})

test('a whole phone number means its owner alone, and nobody else is looked at', async t => {
  const db = await freshDatabase(t)
  const contact = (phone: string) => ({ user_id: null, phone, profile_name: null })
  const [owner, longer] = await ingest(db, [
    message({ contact: contact('4915112345'), media: media() }),
    message({ contact: contact('49151123456'), media: media() }),
  ])
  assert.deepEqual(await idsOf(db, { sender: '+49 151 12345' }), [owner?.attachment_id])
  assert.deepEqual(await idsOf(db, { sender: '49 151 1234' }), [longer?.attachment_id, owner?.attachment_id])
})

test('a status that there is not is refused', async t => {
  const db = await freshDatabase(t)
  await assert.rejects(list(db, { status: 'LOST' }), sqlState('22P02'))
})

test('a list shows who sent it, and nothing of the claim', async t => {
  const db = await freshDatabase(t)
  const [a = 0, , , , e = 0] = await sixFiles(db)
  const { rows } = await list(db, { status: 'UPLOADED' })
  const [row] = rows
  assert.deepEqual(row?.lead, { phone: '4915112345678', profile_name: 'Ada Lovelace' })
  assert.equal(row.id, a)
  assert.equal('claim_token' in row, false)
  assert.deepEqual((await list(db, { status: 'UPLOADING' })).rows[0]?.lead, {
    phone: null,
    profile_name: null,
  })
  await db.rows('update attachments set lead_id = null where id = $1', [e])
  assert.equal((await list(db, { status: 'UPLOADING' })).rows[0]?.lead, null)
})

test('the story of one is its row, whole, and its newest events, oldest first', async t => {
  const db = await freshDatabase(t)
  const [, b = 0] = await sixFiles(db)
  const story = await db.call<{
    attachment: Record<string, unknown>
    events: { event: string; worker: string; detail: { error_code?: string } }[]
  }>('attachment_story', { id: b })
  assert.equal(story.attachment.message_id, 'wamid.1')
  assert.equal(story.attachment.claim_token, 1)
  assert.equal(story.events.at(-1)?.event, 'failed')
  assert.equal(story.events.at(-1)?.detail.error_code, 'media_gone')
  assert.equal(story.events.at(-1)?.worker, 'w')
  const last = await db.call<{ events: { event: string }[] }>('attachment_story', { id: b, max: 1 })
  assert.deepEqual(
    last.events.map(({ event }) => event),
    ['failed'],
  )
  assert.deepEqual(await db.call('attachment_story', { id: 999_999 }), { attachment: null, events: [] })
})

test('activity is sixty minutes of all daemons, and what is older does not count', async t => {
  const db = await freshDatabase(t)
  const [a = 0, b = 0, c = 0, d = 0] = await pending(db, 4)
  await carry(db, a, 1000)
  await carry(db, b, 500)
  await fail(db, c, 'integrity')
  await settle(db, 'w', [unsuccessful(await claimOne(db, 'w', d), 'retry')])
  await db.rows("update attachments set uploaded_at = now() - interval '61 minutes' where id = $1", [b])
  const { minutes } = await db.call<{
    minutes: { at: string; uploaded: number; failed: number; retried: number; bytes: number }[]
  }>('upload_activity')
  assert.equal(minutes.length, 60)
  assert.deepEqual(
    [...minutes].sort((x, y) => Date.parse(x.at) - Date.parse(y.at)),
    minutes,
  )
  const sum = (of: 'uploaded' | 'failed' | 'retried' | 'bytes') =>
    minutes.reduce((total, m) => total + m[of], 0)
  assert.deepEqual([sum('uploaded'), sum('failed'), sum('retried'), sum('bytes')], [1, 1, 1, 1000])
})

test('failures are counted by code, most first', async t => {
  const db = await freshDatabase(t)
  const [a = 0, b = 0, c = 0] = await pending(db, 3)
  await fail(db, a, 'media_gone')
  await fail(db, b, 'integrity')
  await fail(db, c, 'integrity')
  assert.deepEqual(await db.call('failure_counts'), {
    codes: [
      { code: 'integrity', count: 2 },
      { code: 'media_gone', count: 1 },
    ],
  })
})

test('rejected payloads are listed without their bytes, a page at a time', async t => {
  const db = await freshDatabase(t)
  await ingest(
    db,
    [],
    ['eA==', 'eXk=', 'enp6'].map(payload_base64 => ({ reason: 'no JSON', payload_base64 })),
  )
  const first = await db.call<Listed>('list_rejected', { max: 2 })
  const second = await db.call<Listed>('list_rejected', { before: first.next_before })
  assert.deepEqual([first.rows.length, second.rows.length, second.next_before], [2, 1, null])
  const all = [...first.rows, ...second.rows]
  assert.deepEqual(
    all.map(({ id }) => id),
    all.map(({ id }) => id).sort((a, b) => b - a),
  )
  assert.deepEqual(all.map(({ size_bytes }) => size_bytes).sort(), [1, 2, 3])
  for (const row of all) {
    assert.deepEqual([row.reason, row.times, 'payload' in row], ['no JSON', 1, false])
  }
})

test('a retry by an operator is told: on the file when it is one, else with its code and how many', async t => {
  const db = await freshDatabase(t)
  const [a = 0, b = 0, c = 0] = await pending(db, 3)
  for (const id of [a, b, c]) await fail(db, id, 'integrity')
  const retry = (args: Readonly<Record<string, unknown>>) =>
    db.call<{ retried: number[] }>('retry_by_operator', { changed_by: 'dashboard', ...args })
  assert.deepEqual(await retry({ ids: [a] }), { retried: [a] })
  const { event, detail } = (await eventsOf(db, a)).at(-1) ?? {}
  assert.deepEqual(
    { event, detail },
    { event: 'retry_requested', detail: { changed_by: 'dashboard', attachments: 1 } },
  )
  assert.deepEqual((await retry({ code: 'integrity' })).retried.sort(), [b, c])
  assert.deepEqual((await eventsOf(db, null)).at(-1)?.detail, {
    changed_by: 'dashboard',
    error_code: 'integrity',
    attachments: 2,
  })
  assert.deepEqual(await retry({ code: 'integrity' }), { retried: [] })
  assert.equal((await eventsOf(db, null)).filter(({ event: name }) => name === 'retry_requested').length, 1)
})

/** Rows of attachments that a call read in order, or through an index. */
async function work(client: pg.Client, name: string, args: Readonly<Record<string, unknown>>) {
  const counted = async () => {
    const { rows } = await client.query(
      `select seq_tup_read::int as read, coalesce(idx_tup_fetch, 0)::int as fetched
       from pg_stat_xact_user_tables where relid = 'public.attachments'::regclass`,
    )
    return { read: rows[0]?.read ?? 0, fetched: rows[0]?.fetched ?? 0 }
  }
  await client.query('begin')
  try {
    const before = await counted()
    const answer = await callFunction<Listed>(client, name, args)
    const after = await counted()
    return { read: after.read - before.read, fetched: after.fetched - before.fetched, answer }
  } finally {
    await client.query('rollback')
  }
}

test('a list beside 30,000 settled rows reads little more than it shows, and a search stops and goes on', async t => {
  const db = await freshDatabase(t)
  await db.rows(
    `insert into attachments (message_id, whatsapp_media_id, phone_number_id, sent_at, expires_at, object_prefix,
       upload_status, upload_attempts, claim_token, object_key, content_type, size_bytes, sha256, uploaded_at, id,
       caption)
     overriding system value
     select 'settled-' || n, 'm', '1', now(), now() + interval '7 days', 'unassigned', 'UPLOADED', 1, 1,
       'unassigned/' || n || '-1.jpg', 'image/jpeg', 1, repeat('a', 64), now() - interval '2 hours', n,
       case n when 1000005 then 'the needle' end
     from generate_series(1000000, 1029999) n`,
  )
  const old = await pending(db, 6)
  for (const id of old.slice(0, 3)) await fail(db, id, 'integrity')
  const client = await db.connect('service_role')
  for (const statistics of ['without statistics', 'with statistics']) {
    if (statistics === 'with statistics') await db.rows('vacuum analyze attachments')
    const cheap = [
      ['list_attachments', {}],
      ['list_attachments', { status: 'UPLOADED' }],
      ['list_attachments', { status: 'PENDING' }],
      ['list_attachments', { status: 'FAILED' }],
      ['list_attachments', { code: 'integrity' }],
      ['list_attachments', { sender: '49170' }],
      ['attachment_story', { id: 1_000_005 }],
      ['failure_counts', {}],
      ['upload_activity', {}],
    ] as const
    for (const [name, args] of cheap) {
      const { read, fetched } = await work(client, name, args)
      const told = `${name} ${JSON.stringify(args)}, ${statistics}: ${read} read, ${fetched} fetched`
      assert.ok(read === 0 && fetched <= 200, told)
    }
    const first = await work(client, 'list_attachments', { containing: 'Needle' })
    assert.equal(first.read, 0, 'no scan of the whole table')
    assert.deepEqual([first.answer.rows.length, first.answer.scanned], [0, 20_000])
    const { answer } = await work(client, 'list_attachments', {
      containing: 'Needle',
      before: first.answer.next_before,
    })
    assert.deepEqual(
      answer.rows.map(({ id }) => id),
      [1_000_005],
    )
    assert.equal(answer.next_before, null)
  }
})
