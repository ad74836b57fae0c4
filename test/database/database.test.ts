import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { StoredObject } from '../../src/attachment.ts'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { DatabaseError } from '../../src/database/database-error.ts'
import { type DataApi, startDataApi } from './data-api.ts'

const KEY = 'sb_secret_abcdefghijklmnop'

let api: DataApi
let database: Database

beforeEach(async () => {
  api = await startDataApi()
  database = openDatabase({ url: api.url, key: KEY, timeoutMs: 5000 })
})

afterEach(async () => {
  await database.close()
  await api[Symbol.asyncDispose]()
})

/** What was asked for, when the answer is this. */
async function asked<T>(json: unknown, call: () => Promise<T>) {
  api.answer({ json })
  const answer = await call()
  const last = api.calls.at(-1)
  assert.deepEqual([last?.method, last?.headers.apikey], ['POST', KEY])
  return { name: last?.path?.replace('/rest/v1/rpc/', ''), args: last?.args, answer }
}

const stored: StoredObject = {
  objectKey: '4/7-2.jpg',
  contentType: 'image/jpeg',
  sizeBytes: 3,
  sha256: 'a'.repeat(64),
  verified: true,
  notes: [],
}

const claimRow = {
  id: 7,
  claim_token: 2,
  lead_id: null,
  message_id: 'wamid.1',
  whatsapp_media_id: 'm1',
  phone_number_id: '100',
  kind: null,
  file_name: 'a.jpg',
  declared_mime_type: null,
  declared_sha256: null,
  expires_at: '2026-11-30T00:00:00+00:00',
  upload_attempts: 1,
  max_attempts: 5,
  lost_leases: 0,
  bucket: 'attachments',
  object_prefix: 'unassigned',
  created_at: '2026-11-23T00:00:00+00:00',
  due_at: '2026-11-23T00:05:00+00:00',
}

describe('each call has the name, the arguments and the answer of its SQL function', () => {
  test('claim', async () => {
    const json = { paused: false, claims: [claimRow], worker_lost: [9] }
    const { name, args, answer } = await asked(json, () => database.claim('w', [7, 8], 16, 60_000))
    assert.equal(name, 'claim_attachments')
    assert.deepEqual(args, { worker: 'w', ids: [7, 8], max: 16, lease: '60000 milliseconds' })
    assert.deepEqual(answer, {
      paused: false,
      claims: [
        {
          id: 7,
          claimToken: 2,
          leadId: null,
          messageId: 'wamid.1',
          mediaId: 'm1',
          phoneNumberId: '100',
          kind: null,
          fileName: 'a.jpg',
          declaredMimeType: null,
          declaredSha256: null,
          expiresAt: '2026-11-30T00:00:00+00:00',
          uploadAttempts: 1,
          maxAttempts: 5,
          lostLeases: 0,
          bucket: 'attachments',
          objectPrefix: 'unassigned',
          createdAt: '2026-11-23T00:00:00+00:00',
          dueAt: '2026-11-23T00:05:00+00:00',
        },
      ],
      workerLost: [9],
    })
  })

  test('claim: rows of another version are given back, not left to their leases', async () => {
    const strange = { ...claimRow, id: 8, message_id: 5 }
    api.answer(
      { json: { paused: false, claims: [claimRow, strange], worker_lost: [] } },
      {
        json: {
          answers: [7, 8].map(id => ({ id, claim_token: 2, answer: 'applied', upload_status: 'PENDING' })),
        },
      },
    )
    await assert.rejects(database.claim('w', [], 16, 60_000), (error: unknown) => {
      assert.ok(error instanceof DatabaseError)
      assert.equal(error.failure.code, 'schema')
      assert.match(error.message, /1\.message_id/)
      return true
    })
    const [, second] = api.calls
    assert.equal(second?.path, '/rest/v1/rpc/settle_attachments')
    const given = { claim_token: 2, outcome: 'interrupted', error_code: 'schema', retry_in_ms: 60_000 }
    const error_message = 'The database speaks another version than the daemon that claimed this attachment.'
    assert.deepEqual(second?.args.results, [
      { id: 7, ...given, error_message },
      { id: 8, ...given, error_message },
    ])
  })

  test('renew', async () => {
    const json = { held: [{ id: 7, claim_token: 2 }] }
    const keys = [
      { id: 7, claimToken: 2, onLost: 'not sent' },
      { id: 8, claimToken: 1 },
    ]
    const { name, args, answer } = await asked(json, () => database.renew('w', keys, 30_000))
    assert.equal(name, 'renew_leases')
    assert.deepEqual(args, {
      worker: 'w',
      claims: [
        { id: 7, claim_token: 2 },
        { id: 8, claim_token: 1 },
      ],
      lease: '30000 milliseconds',
    })
    assert.deepEqual(answer, [{ id: 7, claimToken: 2 }])
  })

  test('settle: all four outcomes; answers in the order of the question', async () => {
    const text = { code: 'c', message: 'm' }
    const row = (id: number, answer: string) => ({
      id,
      claim_token: 1,
      answer,
      upload_status: id === 1 ? null : 'PENDING',
    })
    const json = { answers: [row(4, 'applied'), row(3, 'already'), row(2, 'applied'), row(1, 'lost')] }
    const { name, args, answer } = await asked(json, () =>
      database.settle('w', [
        { id: 1, claimToken: 1, settlement: { outcome: 'uploaded', ...stored } },
        { id: 2, claimToken: 1, settlement: { outcome: 'retry', ...text, retryInMs: 1000.6 } },
        { id: 3, claimToken: 1, settlement: { outcome: 'failed', ...text } },
        { id: 4, claimToken: 1, settlement: { outcome: 'interrupted', ...text, retryInMs: 0 } },
      ]),
    )
    assert.equal(name, 'settle_attachments')
    const reason = { claim_token: 1, error_code: 'c', error_message: 'm' }
    assert.deepEqual(args, {
      worker: 'w',
      results: [
        {
          id: 1,
          claim_token: 1,
          outcome: 'uploaded',
          object_key: '4/7-2.jpg',
          content_type: 'image/jpeg',
          size_bytes: 3,
          sha256: 'a'.repeat(64),
          verified: true,
          notes: [],
        },
        { id: 2, outcome: 'retry', ...reason, retry_in_ms: 1001 },
        { id: 3, outcome: 'failed', ...reason },
        { id: 4, outcome: 'interrupted', ...reason, retry_in_ms: 0 },
      ],
    })
    assert.deepEqual(answer, ['lost', 'applied', 'already', 'applied'])
  })

  test('settle: an answer that is missing is never taken for "lost"', async () => {
    const answers = [{ id: 1, claim_token: 2, answer: 'applied', upload_status: 'UPLOADED' }]
    api.answer({ json: { answers } })
    const failed = { outcome: 'failed', code: 'c', message: 'm' } as const
    await assert.rejects(database.settle('w', [{ id: 1, claimToken: 1, settlement: failed }]), error => {
      assert.ok(error instanceof DatabaseError)
      assert.equal(error.failure.code, 'schema')
      return true
    })
  })

  test('release, after, beat, record, retry, setPaused', async () => {
    const seen = []
    seen.push(await asked({ released: [1], worker_lost: [2] }, () => database.release('w')))
    const page = {
      cluster: '7/5',
      horizon: '900',
      next: '905',
      anchor: null,
      rows: [{ id: 7, created_xid: '899', created_at: '2026-11-23T00:00:00Z', upload_status: 'PENDING' }],
    }
    seen.push(await asked(page, () => database.after('88', 6, 500)))
    seen.push(
      await asked({ beat: 3, paused: true }, () =>
        database.beat('w', 'running', { storage: 'open' }, '1.2.3'),
      ),
    )
    seen.push(
      await asked({ recorded: 1 }, () =>
        database.record('w', [{ attachmentId: null, event: 'circuit_opened', detail: { code: 'x' } }]),
      ),
    )
    seen.push(await asked({ retried: [5] }, () => database.retry(null, 'integrity', 100)))
    seen.push(
      await asked({ paused: true, changed_by: 'me', reason: null, changed_at: '' }, () =>
        database.setPaused(true, 'me', null),
      ),
    )
    assert.deepEqual(seen, [
      { name: 'release_claims', args: { worker: 'w' }, answer: { released: [1], workerLost: [2] } },
      { name: 'attachments_after', args: { xid: '88', id: 6, max: 500 }, answer: page },
      {
        name: 'beat_canary',
        args: { worker: 'w', state: 'running', circuits: { storage: 'open' }, version: '1.2.3' },
        answer: { beat: 3, paused: true },
      },
      {
        name: 'record_events',
        args: {
          events: [{ attachment_id: null, worker: 'w', event: 'circuit_opened', detail: { code: 'x' } }],
        },
        answer: undefined,
      },
      { name: 'retry_attachments', args: { code: 'integrity', max: 100 }, answer: [5] },
      {
        name: 'set_pipeline_paused',
        args: { paused: true, changed_by: 'me' },
        answer: undefined,
      },
    ])
  })

  test('summary', async () => {
    const json = {
      counts: { PENDING: 1, UPLOADING: 2, UPLOADED: 3, FAILED: 4 },
      due: 1,
      oldest_due_at: null,
      expiring_24h: 0,
      rejected: 0,
      paused: null,
      daemons: [{ worker: 'w', beat: 1, state: 'running', circuits: {}, version: '1.2.3', last_seen: '' }],
    }
    const { name, args, answer } = await asked(json, () => database.summary())
    assert.equal(name, 'pipeline_summary')
    assert.deepEqual(args, {})
    assert.deepEqual(answer, json)
  })
})

describe('texts', () => {
  const SECRETS = 'at https://lookaside.test/x?hash=abc with Bearer EAAsecret and sb_secret_zzzz'

  async function resultOf(settlement: Parameters<Database['settle']>[1][number]['settlement']) {
    const answers = [{ id: 1, claim_token: 1, answer: 'applied', upload_status: null }]
    const { args } = await asked({ answers }, () =>
      database.settle('w', [{ id: 1, claimToken: 1, settlement }]),
    )
    return JSON.stringify(args)
  }

  test('of a settlement are well-formed, cut by code points and free of secrets', async () => {
    const message = `\u0000\ud800${SECRETS} ${'🙂'.repeat(600)}`
    const sent = await resultOf({ outcome: 'failed', code: 'c', message })
    assert.ok(!/lookaside|EAAsecret|zzzz|\\u0000|\\ud800/i.test(sent), sent.slice(0, 200))
    assert.equal(
      sent.match(/🙂/gu)?.length,
      500 - Array.from(' \ufffdat [url] with Bearer [secret] and [secret] ').length,
    )
  })

  test('of its notes too', async () => {
    const notes = [
      {
        event: 'type_differs',
        detail: { declared: `\u0000\ud800${SECRETS}`, size: 3, ok: true, none: null },
      },
    ]
    const sent = await resultOf({ outcome: 'uploaded', ...stored, contentType: 'image/\u0000jpeg', notes })
    assert.ok(!/lookaside|EAAsecret|zzzz|\\u0000|\\ud800/i.test(sent), sent)
    assert.match(sent, /"size":3,"ok":true,"none":null/)
  })

  test('of an event too', async () => {
    const events = [{ attachmentId: 1, event: 'e', detail: { message: `\u0000${SECRETS}`, n: 1 } }]
    const { args } = await asked({ recorded: 1 }, () => database.record('w', events))
    assert.ok(!/lookaside|EAAsecret|zzzz|\\u0000/.test(JSON.stringify(args)))
  })
})
