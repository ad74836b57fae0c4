import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { errorShape, failuresShape, listShape, openedShape, retriedCountShape } from '../../src/api-shapes.ts'
import { readJson, startTestOps, type TestOps } from '../support/ops.ts'
import { failedRow, fixtureRow } from '../support/ops-fixtures.ts'

const content = z.object({
  content: z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) })),
})
const operation = z.object({
  operationId: z.string(),
  summary: z.string(),
  parameters: z.array(z.object({ name: z.string(), in: z.string() })).optional(),
  requestBody: content.optional(),
  responses: z.record(z.string(), z.union([content, z.object({ description: z.string() })])),
})
const documentShape = z.object({
  openapi: z.string(),
  paths: z.record(z.string(), z.partialRecord(z.enum(['get', 'post']), operation)),
})

/** The contract, written down a second time: what is served and what is documented are both held against it. */
const ROUTES = [
  'get /api/summary',
  'get /api/live',
  'get /api/activity',
  'get /api/attachments',
  'get /api/attachments/{id}',
  'get /api/attachments/{id}/file',
  'get /api/failures',
  'get /api/rejected',
  'post /api/attachments/{id}/retry',
  'post /api/retry',
  'post /api/pause',
  'post /api/resume',
]

/** What each documented change is asked with. */
const BODIES: Readonly<Record<string, unknown>> = {
  '/api/retry': { code: 'integrity' },
  '/api/pause': { reason: 'a test' },
}

let ops: TestOps
let described: z.output<typeof documentShape>

before(async () => {
  ops = await startTestOps()
  ops.fixtures.rows = [
    fixtureRow(1, { caption: '<img onerror=alert(1)>' }),
    failedRow(2, 'integrity'),
    failedRow(3, 'a_code_from_meta', { lead: null, lead_id: null, kind: null }),
  ]
  ops.fixtures.events.set(1, [
    { id: 5, at: '2026-11-22T10:00:00+00:00', event: 'uploaded', worker: 'w', detail: { attempt: 1 } },
  ])
  ops.fixtures.failures = [
    { code: 'integrity', count: 1 },
    { code: 'a_code_from_meta', count: 1 },
  ]
  described = await readJson(fetch(`${ops.url}/api/openapi.json`), documentShape)
})
after(() => ops.stop())

const operations = () =>
  Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )

const askFor = (path: string, method: string) =>
  fetch(ops.url + path.replace('{id}', '1'), {
    method: method.toUpperCase(),
    redirect: 'manual',
    ...(method === 'post'
      ? {
          headers: { 'content-type': 'application/json', origin: ops.url },
          body: JSON.stringify(BODIES[path] ?? {}),
        }
      : {}),
  })

test('documented is what the contract names, no more and no less', () => {
  assert.equal(described.openapi, '3.1.0')
  assert.deepEqual(
    operations()
      .map(({ path, method }) => `${method} ${path}`)
      .sort(),
    [...ROUTES].sort(),
  )
  const ids = operations().map(({ operation }) => operation.operationId)
  assert.equal(new Set(ids).size, ids.length)
})

test('every documented route answers in the documented shape', async () => {
  for (const { path, method, operation } of operations()) {
    const answer = await askFor(path, method)
    const response = operation.responses[String(answer.status)]
    assert.ok(response !== undefined, `${method} ${path} answers ${answer.status}, which is not documented`)
    const type = answer.headers.get('content-type')?.split(';')[0] ?? ''
    if (!('content' in response)) {
      await answer.body?.cancel()
      continue
    }
    const documented = response.content[type]
    assert.ok(documented !== undefined, `${method} ${path} answers ${type}, which is not documented`)
    if (type !== 'application/json') {
      await answer.body?.cancel()
      continue
    }
    const { schema } = documented
    const checked = z.fromJSONSchema(schema).safeParse(await answer.json())
    assert.ok(checked.success, `${method} ${path}: ${checked.error?.message}`)
    assert.equal(schema.additionalProperties, false, `${method} ${path} may answer nothing else`)
  }
})

test('a documented filter is taken, and one that is wrong is refused in the shape of an error', async () => {
  const { parameters = [] } = described.paths['/api/attachments']?.get ?? {}
  assert.deepEqual(parameters.map(({ name }) => name).sort(), [
    'before',
    'error',
    'kind',
    'lead',
    'limit',
    'q',
    'status',
    'text',
  ])
  for (const query of [
    'status=LOST',
    'kind=fax',
    'lead=x',
    'limit=0',
    'limit=201',
    'before=-1',
    `q=${'x'.repeat(201)}`,
  ]) {
    const answer = await fetch(`${ops.url}/api/attachments?${query}`)
    assert.equal(answer.status, 400, query)
    await readJson(answer, errorShape)
  }
  const { rows, next_before } = await readJson(
    fetch(`${ops.url}/api/attachments?status=FAILED&kind=&q=&limit=1`),
    listShape,
  )
  assert.deepEqual([rows.length, rows[0]?.id, next_before], [1, 3, 3])
})

test('a failure is explained in plain words, also one that nobody knows', async () => {
  const { codes } = await readJson(fetch(`${ops.url}/api/failures`), failuresShape)
  assert.match(codes[0]?.explanation ?? '', /SHA-256/)
  assert.equal(codes[0]?.retryable, true)
  for (const code of codes) assert.ok(code.title && code.explanation && code.advice)
  const opened = await readJson(fetch(`${ops.url}/api/attachments/2`), openedShape)
  assert.equal(opened.reason?.title, 'Integrity')
  assert.equal(opened.preview, null)
})

test('a retry of a whole reason goes on until all are due', async () => {
  const pages = [500, 500, 3]
  const asked: unknown[] = []
  const database = {
    ...ops.fixtures.sources.database,
    retry: async (by: string, chosen: unknown) => {
      asked.push([by, chosen])
      return Array.from({ length: pages[asked.length - 1] ?? 0 }, (_, at) => at)
    },
  }
  const other = await startTestOps({ sources: { database } })
  const answer = fetch(`${other.url}/api/retry`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: other.url },
    body: '{"code":"integrity"}',
  })
  assert.equal((await readJson(answer, retriedCountShape)).retried, 1003)
  assert.deepEqual(asked, Array(3).fill(['dashboard', { code: 'integrity' }]))
  await other.stop()
})
