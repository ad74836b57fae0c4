import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verdict } from '../../../src/ops/dashboard/verdict.ts'
import type { Summary } from '../../../src/ops/dashboard/wire.ts'

const well: Summary = {
  version: '1',
  worker: 'w',
  now: '2026-11-22T10:00:00Z',
  counts: { PENDING: 0, UPLOADING: 0, UPLOADED: 5, FAILED: 0 },
  due: 0,
  oldest_due_at: null,
  expiring_24h: 0,
  rejected: 0,
  paused: null,
  lanes: { busy: 0, limit: 8, claimed: 0 },
  realtime: { hearing: true, cause: null, advice: null, announced: 0, missed: 0 },
  circuits: [],
  daemons: [],
  ready: { status: 'ready', reasons: [] },
  machine: {},
  stale: null,
}
const down = {
  state: 'open',
  code: 'token_rejected',
  reason: 'no',
  advice: 'do',
  since: null,
  probes: 1,
} as const
const paused = { changed_by: 'dashboard', reason: 'moving', changed_at: '2026-11-22T10:00:00Z' }

const cases: readonly (readonly [
  name: string,
  summary: Summary,
  tone: string,
  title: RegExp,
  lines: RegExp,
])[] = [
  ['all is well', well, 'good', /^Every file has arrived$/, /^$/],
  [
    'on the way',
    { ...well, counts: { ...well.counts, PENDING: 1, UPLOADING: 2 } },
    'good',
    /arriving, 3 on the way/,
    /^$/,
  ],
  [
    'some failed',
    { ...well, counts: { ...well.counts, FAILED: 1 } },
    'good',
    /^No file is waiting$/,
    /^1 file failed and needs/,
  ],
  ['about to expire', { ...well, expiring_24h: 2 }, 'wait', /./, /2 files will be deleted at Meta/],
  ['paused', { ...well, paused }, 'wait', /^Paused/, /Reason given: moving/],
  [
    'deaf',
    { ...well, ready: { status: 'degraded', reasons: ['Realtime is not heard'] } },
    'wait',
    /something is wrong/,
    /not heard/,
  ],
  [
    'draining',
    { ...well, ready: { status: 'down', reasons: ['draining'] } },
    'bad',
    /carries nothing/,
    /draining/,
  ],
  [
    'down comes before paused',
    {
      ...well,
      paused,
      circuits: [{ dependency: 'whatsapp', ...down }],
      ready: { status: 'down', reasons: ['x'] },
    },
    'bad',
    /^Nothing is carried: WhatsApp is not usable$/,
    /No attempt is used up/,
  ],
  [
    'a rate limit is no outage',
    {
      ...well,
      circuits: [{ dependency: 'storage', ...down, code: 'storage_rate_limited' }],
      ready: { status: 'degraded', reasons: ['x'] },
    },
    'wait',
    /^Resting: Storage asks for fewer requests$/,
    /./,
  ],
]

for (const [name, summary, tone, title, lines] of cases) {
  test(`the first sentence: ${name}`, () => {
    const said = verdict(summary)
    assert.equal(said.tone, tone)
    assert.match(said.title, title)
    assert.match(said.lines.join(' '), lines)
  })
}
