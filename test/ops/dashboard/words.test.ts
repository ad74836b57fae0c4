import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventStream } from '../../../src/ops/dashboard/event-stream.ts'
import {
  ago,
  bytes,
  circuitsText,
  fromWhom,
  nameOf,
  plural,
  senderOf,
  span,
} from '../../../src/ops/dashboard/format.ts'
import { languageTag } from '../../../src/ops/dashboard/language.ts'
import { retryDelay } from '../../../src/ops/dashboard/retry-delay.ts'
import { attachmentsHash, routeOf } from '../../../src/ops/dashboard/route.ts'
import { tell } from '../../../src/ops/dashboard/story.ts'

test('sizes, numbers and times as a person reads them', () => {
  assert.deepEqual([0, 999, 1000, 1536, 100 * 2 ** 20, 1023.99 * 2 ** 20].map(bytes), [
    '0 B',
    '999 B',
    '1 KB',
    '1.5 KB',
    '100 MB',
    '1 GB',
  ])
  assert.deepEqual(
    [plural(1, 'file'), plural(1204, 'file'), plural(2, 'file is', 'files are')],
    ['1 file', '1,204 files', '2 files are'],
  )
  assert.deepEqual([0, 1_000, 59_999, 60_000, 7_200_000, 172_800_000].map(span), [
    'moments',
    '1 second',
    '59 seconds',
    '1 minute',
    '2 hours',
    '2 days',
  ])
  assert.equal(ago(1_000, 121_000), '2 minutes ago')
  assert.equal(ago(121_000, 1_000), 'in 2 minutes')
})

test('a file is called by its name, else its caption, else its kind; a sender by name, number or lead', () => {
  const row = { kind: 'audio', voice: true, caption: null, file_name: null } as const
  assert.equal(nameOf(row), 'Voice note')
  assert.equal(nameOf({ ...row, caption: 'listen' }), 'listen')
  assert.equal(nameOf({ ...row, caption: 'listen', file_name: 'a.ogg' }), 'a.ogg')
  assert.equal(senderOf({ lead_id: 7, lead: { phone: '15550001234', profile_name: null } }), '+15550001234')
  assert.equal(senderOf({ lead_id: 7, lead: null }), 'Lead 7')
  assert.equal(senderOf({ lead_id: null, lead: null }), 'Nobody known')
})

test('an address names a page, and the page names its address', () => {
  const filters = { status: 'FAILED', q: 'Ada & Søn', text: '<b>' }
  assert.deepEqual(routeOf(attachmentsHash(filters, 108)), { page: 'attachments', filters, before: 108 })
  assert.deepEqual(routeOf('#/attachments?status=&evil=1&before=-1'), {
    page: 'attachments',
    filters: {},
    before: null,
  })
  assert.deepEqual(routeOf('#/attachments/108'), { page: 'attachment', id: 108 })
  assert.deepEqual(routeOf('#/attachments/../108'), { page: 'attachments', filters: {}, before: null })
  assert.deepEqual(routeOf('#/failures'), { page: 'failures' })
  assert.deepEqual(routeOf('#/rejected?before=3'), { page: 'rejected', before: 3 })
  for (const hash of ['', '#', '#/', '#/nowhere', '#content'])
    assert.deepEqual(routeOf(hash), { page: 'now' })
})

test('a stream of events is read however it is cut', () => {
  const text =
    'retry: 2000\n\n: still here\n\nevent: summary\ndata: {"a":1}\n\ndata: x\r\ndata: y\r\n\r\nevent: lost'
  const expected = [
    { event: 'summary', data: '{"a":1}' },
    { event: 'message', data: 'x\ny' },
  ]
  for (const size of [1, 2, 3, 7, text.length]) {
    const read = eventStream()
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, piece) =>
      text.slice(piece * size, (piece + 1) * size),
    )
    assert.deepEqual(pieces.flatMap(read), expected, `in pieces of ${size}`)
  }
})

test('the wait for the next connection doubles, ends at fifteen seconds, and differs between tabs', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 50].map(failures => retryDelay(failures, 1)),
    [1_000, 2_000, 4_000, 8_000, 15_000, 15_000],
  )
  assert.equal(retryDelay(1, 0), 750)
})

test('every event of a story is told in plain words, and an unknown one by its name', () => {
  const told = (event: string, detail: Record<string, unknown> = {}) =>
    tell({ id: 1, at: '', event, worker: 'w', detail })
  const retry = { attempt: 2, max_attempts: 5, error_code: 'integrity', retry_in_ms: 300_000 }
  assert.deepEqual(told('retry', retry), {
    tone: 'wait',
    title: 'An attempt failed',
    text: 'Attempt 2 of 5. Integrity. It is tried again after 5 minutes.',
  })
  assert.match(
    told('uploaded', { attempt: 1, size_bytes: 2048, verified: true }).text,
    /^Attempt 1\. 2 KB\. Its SHA-256/,
  )
  assert.equal(told('failed', { error_message: 'gone' }).tone, 'bad')
  assert.match(told('lease_lost', { lost_leases: 2 }).text, /^Daemon w let .* lease number 2\.$/)
  assert.equal(told('retry_requested', { changed_by: 'dashboard' }).text, 'By: dashboard.')
  assert.equal(told('object_lost', { problem: 'missing' }).tone, 'bad')
  assert.equal(told('something_new').title, 'Something new')
  // Whatever stands in the detail, the page goes on.
  for (const event of [
    'received',
    'uploaded',
    'retry',
    'failed',
    'retried',
    'lease_lost',
    'type_differs',
    'found_stored',
  ]) {
    assert.ok(
      told(event, { attempt: 'x', error_message: 7, verified: 'no', retry_in_ms: null }).title.length > 0,
    )
  }
})

test('a browser whose language is no valid tag is spoken to in English', () => {
  assert.deepEqual(['en-US@posix', '', 'de-DE'].map(languageTag), ['en', 'en', 'de-DE'])
})

test('a sender is named with the lead, and a circuit by what it means', () => {
  const row = {
    kind: 'image',
    voice: false,
    lead_id: 6,
    lead: { phone: '1555', profile_name: 'Ada' },
  } as const
  assert.equal(fromWhom(row), 'Picture from Ada (Lead 6)')
  assert.equal(fromWhom({ ...row, lead: null }), 'Picture from Lead 6')
  assert.equal(circuitsText({ whatsapp: 'open', database: 'closed' }), 'WhatsApp not usable')
  assert.equal(circuitsText({ whatsapp: 'closed' }), 'all work')
})
