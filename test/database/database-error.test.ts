import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { DatabaseError } from '../../src/database/database-error.ts'
import { describeError } from '../../src/errors.ts'
import { type Answer, type DataApi, startDataApi } from './data-api.ts'

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

async function refused(answer: Answer): Promise<DatabaseError> {
  api.answer(answer)
  const error = await database.release('w').then(
    () => assert.fail('it was carried out'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof DatabaseError, String(error))
  const { verdict } = error.failure
  assert.ok(verdict === 'interrupted' && error.failure.dependency === 'database')
  return error
}

const cases: readonly [status: number, code: string, failure: string, data: boolean][] = [
  [404, 'PGRST202', 'schema', false],
  [404, 'PGRST205', 'schema', false],
  [404, '42883', 'schema', false],
  [404, '42P01', 'schema', false],
  [401, 'PGRST301', 'credentials', false],
  [401, 'PGRST303', 'credentials', false],
  [403, '42501', 'credentials', false],
  [403, 'other', 'credentials', false],
  [400, '22P05', 'data', true],
  [400, '22023', 'data', true],
  [400, '23514', 'data', true],
  [503, 'PGRST002', 'unreachable', false],
  [500, '40P01', 'unreachable', false],
  [500, '57014', 'unreachable', false],
]
for (const [status, code, failure, data] of cases) {
  test(`${status} ${code} is ${failure}`, async () => {
    const error = await refused({ status, json: { code, message: 'No.', details: 'Why.', hint: null } })
    assert.equal(error.failure.code, failure)
    assert.equal(error.failure.message, 'No. (Why.)')
    assert.equal(error.data, data)
  })
}

test('a wrong key, as the gateway says it', async () => {
  const error = await refused({ status: 401, json: { message: 'Invalid API key', hint: 'x' } })
  assert.equal(error.failure.code, 'credentials')
  assert.equal(error.failure.message, 'Invalid API key')
})

test('a page, or nothing, or another JSON, instead of PostgREST', async () => {
  for (const answer of [
    { status: 502, text: '<html><h1>Bad Gateway</h1></html>' },
    { status: 502, text: '' },
    { status: 502, json: 'down' },
    { status: 502, json: { error: 'down' } },
  ]) {
    const error = await refused(answer)
    assert.equal(error.failure.code, 'unreachable')
    assert.equal(error.failure.message, 'HTTP 502')
  }
  assert.equal((await refused({ text: '<html>Log in to the hotel</html>' })).failure.message, 'HTTP 200')
})

test('an answer of another shape is the schema, and says where', async () => {
  for (const answer of [
    { json: { released: ['1'], worker_lost: [] } },
    { json: null },
    { json: [] },
    { text: '' },
    { status: 404, text: '' },
    { status: 404, json: [] },
    { status: 500, json: null },
  ]) {
    assert.equal((await refused(answer)).failure.code, 'schema', JSON.stringify(answer))
  }
  const error = await refused({ json: { released: ['1'], worker_lost: [] } })
  assert.match(error.message, /^release_claims answered in another shape.*released\.0/)
})

test('a message with secrets loses them', async () => {
  const error = await refused({ status: 500, json: { code: 'x', message: `key ${KEY}`, details: null } })
  assert.equal(error.failure.message, 'key [secret]')
})

test('a connection that is reset', async () => {
  const error = await refused('reset')
  assert.equal(error.failure.code, 'unreachable')
  assert.match(error.failure.message, /other side closed|ECONNRESET/)
})

test('a port where nobody listens, with the cause', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => closed.once('listening', resolve))
  const address = closed.address()
  assert.ok(address !== null && typeof address === 'object')
  await new Promise(resolve => closed.close(resolve))
  const other = openDatabase({ url: `http://127.0.0.1:${address.port}`, key: KEY })
  await assert.rejects(other.release('w'), error => {
    assert.ok(error instanceof DatabaseError)
    assert.equal(error.failure.code, 'unreachable')
    assert.match(error.failure.message, /ECONNREFUSED/)
    assert.ok(!error.failure.message.includes('\n') && !/ at /.test(error.failure.message), 'no stack')
    assert.equal(describeError(error), error.failure.message)
    return true
  })
  await other.close()
})

test('an answer that takes too long, before it and in the middle of it', async () => {
  const impatient = openDatabase({ url: api.url, key: KEY, timeoutMs: 100 })
  for (const answer of ['silence', 'half'] as const) {
    api.answer(answer)
    await assert.rejects(impatient.release('w'), error => {
      assert.ok(error instanceof DatabaseError)
      assert.equal(error.failure.code, 'unreachable')
      assert.match(error.failure.message, /timeout/)
      return true
    })
  }
  await impatient.close()
})

test('close does not wait for an answer that never comes', async () => {
  const other = openDatabase({ url: api.url, key: KEY, timeoutMs: 600_000 })
  api.answer('silence')
  const arrived = api.asked()
  const call = assert.rejects(other.release('w'), DatabaseError)
  await arrived
  await other.close()
  await call
})

test('a call is sent once, also when the database is down: who calls decides about another', async () => {
  await refused({ status: 503, json: { code: 'PGRST002', message: 'No.' } })
  await refused('reset')
  assert.equal(api.calls.length, 2)
})
