import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { callFunction, type Scope, type TestDatabase } from '../../support/database.ts'
import { type OwnCluster, startOwnCluster } from '../../support/own-cluster.ts'
import { ingest, message, pending } from './functions.ts'

let cluster: OwnCluster
before(async () => {
  cluster = await startOwnCluster()
})
after(() => cluster?.stop())

const ownDatabase = (scope: Scope) => cluster.database(scope)

interface Page {
  readonly cluster: string
  readonly horizon: string
  readonly next: string
  readonly anchor: string | null
  readonly rows: readonly {
    readonly id: number
    readonly created_xid: string
    readonly upload_status: string
  }[]
}

const pageAfter = (db: TestDatabase, xid: string | null, id: number | null, max = 500) =>
  db.call<Page>('attachments_after', { xid, id, max })

/** Takes one message in, in a transaction that stays open. */
async function writeAndStayOpen(client: pg.Client): Promise<void> {
  await client.query('begin')
  await callFunction(client, 'ingest_whatsapp_messages', { messages: [message()], rejected: [] })
}

test('rows come in pages, in (created_xid, id) order, from the beginning when there is no cursor', async t => {
  const db = await ownDatabase(t)
  const first = await pending(db, 3)
  const second = await pending(db, 2)
  const all = [...first, ...second]
  const seen: number[] = []
  let [xid, id]: [string | null, number | null] = [null, null]
  for (;;) {
    const page: Page = await pageAfter(db, xid, id, 2)
    if (page.rows.length === 0) break
    assert.ok(page.rows.length <= 2)
    for (const row of page.rows) {
      seen.push(row.id)
      xid = row.created_xid
      id = row.id
    }
  }
  assert.deepEqual(seen, all)
})

test('a row that is committed late is not skipped: what came after it waits with it', async t => {
  const db = await ownDatabase(t)
  const slow = await db.connect('service_role')
  await writeAndStayOpen(slow)
  const [quick = 0] = await pending(db, 1)
  const during = await pageAfter(db, null, null)
  assert.deepEqual(
    during.rows,
    [],
    'the quick row has the higher id, and would carry a plain cursor past the slow one',
  )
  assert.ok(BigInt(during.next) > BigInt(during.horizon))
  await slow.query('commit')
  const { rows } = await pageAfter(db, null, null)
  assert.deepEqual(
    rows.map(row => row.id),
    [quick - 1, quick],
  )
})

test('an open transaction that writes elsewhere in the cluster delays, one that only reads does not', async t => {
  const db = await ownDatabase(t)
  const elsewhere = await ownDatabase(t)
  const client = await elsewhere.connect()
  await client.query('begin isolation level repeatable read')
  await client.query('select from leads')
  await pending(db, 1)
  assert.equal((await pageAfter(db, null, null)).rows.length, 1)
  await client.query('select pg_current_xact_id()')
  await pending(db, 1)
  assert.equal((await pageAfter(db, null, null)).rows.length, 1)
  await client.query('rollback')
  assert.equal((await pageAfter(db, null, null)).rows.length, 2)
})

test('the answer names the cluster, the horizon and what the cursor’s own row is now', async t => {
  const db = await ownDatabase(t)
  const [id = 0] = await pending(db, 1)
  const [row] = (await pageAfter(db, null, null)).rows
  const page = await pageAfter(db, row?.created_xid ?? '', id)
  assert.deepEqual([page.rows, page.anchor], [[], row?.created_xid])
  assert.match(page.cluster, /^\d+\/\d+$/)
  assert.ok(BigInt(page.horizon) > BigInt(row?.created_xid ?? 0))
  assert.equal((await pageAfter(db, row?.created_xid ?? '', id + 1)).anchor, null)
  const other = await ownDatabase(t)
  assert.notEqual((await pageAfter(other, null, null)).cluster, page.cluster)
})

test('the page is clamped to 500', async t => {
  const db = await ownDatabase(t)
  await ingest(
    db,
    Array.from({ length: 501 }, () => message()),
  )
  assert.equal((await pageAfter(db, null, null, 5000)).rows.length, 500)
  assert.equal((await pageAfter(db, null, null, -5)).rows.length, 0)
})

test('16 concurrent writers, a reader in between: every row once, in order', async t => {
  const db = await ownDatabase(t)
  const writers = await Promise.all(Array.from({ length: 16 }, () => db.connect('service_role')))
  let writing = true
  const written = Promise.all(
    writers.map(async client => {
      for (let n = 0; n < 12; n++) {
        await writeAndStayOpen(client)
        await client.query('select pg_sleep(random() * 0.01)')
        await client.query('commit')
      }
    }),
  ).finally(() => {
    writing = false
  })
  const seen: number[] = []
  let [xid, id]: [string | null, number | null] = [null, null]
  for (let more = true; more; ) {
    const wasWriting = writing
    const page: Page = await pageAfter(db, xid, id, 50)
    for (const row of page.rows) {
      seen.push(row.id)
      xid = row.created_xid
      id = row.id
    }
    more = wasWriting || page.rows.length > 0
  }
  await written
  assert.equal(new Set(seen).size, 16 * 12)
  assert.equal(seen.length, 16 * 12)
})
