import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { Settlement } from '../../src/attachment.ts'
import { startTestOps, type TestOps } from '../support/ops.ts'

let ops: TestOps

beforeEach(async () => {
  ops = await startTestOps()
})
afterEach(() => ops.stop())

const scrape = async (): Promise<string> => (await fetch(`${ops.url}/metrics`)).text()

/** The value of the one sample with exactly that name and those labels; undefined when there is none. */
async function sample(series: string): Promise<number | undefined> {
  const line = (await scrape()).split('\n').find(each => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

const finish = (settlement: Settlement, answer: 'applied' | 'lost' = 'applied', uploadAttempts = 0) =>
  ops.observer.finished({
    claim: { uploadAttempts, maxAttempts: 5 },
    output: { lost: false, settlement, answer },
    waitMs: 300,
    laneMs: 2000,
  })

const stored: Settlement = {
  outcome: 'uploaded',
  objectKey: '1/1-1.jpg',
  contentType: 'image/jpeg',
  sizeBytes: 5000,
  sha256: 'a'.repeat(64),
  verified: true,
  notes: [],
}

const unsuccessful = (outcome: 'retry' | 'interrupted', code: string): Settlement => ({
  outcome,
  code,
  message: 'no',
  retryInMs: 1,
})

test('what is settled counts by outcome and reason, and an unknown code is "other"', async () => {
  finish(stored)
  finish(unsuccessful('retry', 'integrity'))
  finish(unsuccessful('retry', 'text from outside'))
  finish(unsuccessful('interrupted', 'rate_limited'))
  finish({ outcome: 'failed', code: 'constructor', message: 'no' })
  const claim = { uploadAttempts: 0, maxAttempts: 5 }
  ops.observer.finished({ claim, output: { lost: true, failure: null }, waitMs: 0, laneMs: 0 })
  finish(stored, 'lost')
  const settled = (labels: string) => sample(`mediaferry_settled_total{${labels}}`)
  assert.equal(await settled('outcome="uploaded",reason="none"'), 1)
  assert.equal(await settled('outcome="retry",reason="integrity"'), 1)
  assert.equal(await settled('outcome="retry",reason="other"'), 1)
  assert.equal(await settled('outcome="interrupted",reason="rate_limited"'), 1)
  assert.equal(await settled('outcome="failed",reason="other"'), 1)
  assert.equal(await settled('outcome="lost",reason="none"'), 2)
  assert.equal(await sample('mediaferry_attempts_total'), 4, 'an interruption is no attempt')
  assert.equal(await sample('mediaferry_leases_lost_total'), 2)
  assert.equal(await sample('mediaferry_uploaded_bytes_total'), 5000)
  assert.equal(await sample('mediaferry_pickup_duration_seconds_sum'), 0.3)
  assert.equal(await sample('mediaferry_transfer_duration_seconds_sum'), 2)
  assert.equal(await sample('mediaferry_object_size_bytes_bucket{le="16384"}'), 1)
})

test('a retry for which no attempt is left is a failure', async () => {
  finish(unsuccessful('retry', 'integrity'), 'applied', 3)
  finish(unsuccessful('retry', 'integrity'), 'applied', 4)
  finish(unsuccessful('interrupted', 'rate_limited'), 'applied', 4)
  const settled = (labels: string) => sample(`mediaferry_settled_total{${labels}}`)
  assert.equal(await settled('outcome="retry",reason="integrity"'), 1)
  assert.equal(await settled('outcome="failed",reason="integrity"'), 1)
  assert.equal(await settled('outcome="interrupted",reason="rate_limited"'), 1)
})

test('claims, circuits and the horizon are told as they happen', async () => {
  ops.observer.claimed(0)
  ops.observer.claimed(8)
  ops.observer.horizon(12)
  ops.observer.circuit({
    type: 'opened',
    dependency: 'storage',
    code: 'quota',
    message: '',
    advice: '',
    probeInMs: 1,
  })
  ops.observer.circuit({ type: 'closed', dependency: 'storage', code: 'quota', probes: 1 })
  assert.equal(await sample('mediaferry_claim_rows_count'), 2)
  assert.equal(await sample('mediaferry_claim_rows_sum'), 8)
  assert.equal(await sample('mediaferry_horizon_lag_transactions'), 12)
  assert.equal(await sample('mediaferry_circuit_opened_total{dependency="storage"}'), 1)
  assert.equal(await sample('mediaferry_circuit_opened_total{dependency="whatsapp"}'), 0)
})

test('what the process knows is read at each scrape', async () => {
  const { fixtures } = ops
  fixtures.lanes = { busy: 3, limit: 8, claimed: 11 }
  fixtures.realtime = { hearing: false, cause: null, announced: 40, missed: 2 }
  fixtures.circuits = [{ dependency: 'whatsapp', state: 'probing', outage: null }]
  for (const _twice of [1, 2]) {
    assert.equal(await sample('mediaferry_lanes_busy'), 3)
    assert.equal(await sample('mediaferry_realtime_announced_rows_total'), 40)
    assert.equal(await sample('mediaferry_realtime_missed_rows_total'), 2)
  }
  assert.equal(await sample('mediaferry_realtime_hearing'), 0)
  assert.equal(await sample('mediaferry_circuit_state{dependency="whatsapp",state="probing"}'), 1)
  assert.equal(await sample('mediaferry_circuit_state{dependency="whatsapp",state="closed"}'), 0)
  assert.equal(await sample('mediaferry_readiness{status="down"}'), 1)
  const memory = (await sample('process_resident_memory_bytes')) ?? 0
  assert.ok(memory > 0, 'with the names that dashboards know')
})

test('the database is asked once however many scrape, and not at all when nobody does', async () => {
  const { fixtures } = ops
  fixtures.counts = { PENDING: 4, UPLOADING: 1, UPLOADED: 90, FAILED: 2 }
  fixtures.oldestDueAt = new Date(Date.now() - 60_000).toISOString()
  assert.deepEqual(fixtures.asked, [])
  const texts = await Promise.all([scrape(), scrape(), scrape()])
  assert.deepEqual(fixtures.asked, ['summary'])
  for (const text of texts) assert.match(text, /^mediaferry_attachments\{status="PENDING"\} 4$/m)
  const age = await sample('mediaferry_oldest_due_age_seconds')
  assert.ok(age !== undefined && age >= 60 && age < 90, `${age}`)
})

test('without an answer of the database there are no numbers of it, and everything else is there', async () => {
  ops.fixtures.databaseError = new Error('away')
  const text = await scrape()
  assert.doesNotMatch(text, /^mediaferry_(?:attachments|paused|summary_age_seconds|oldest)\S* \S/m)
  assert.match(text, /^mediaferry_lanes_limit 8$/m)
})

test('names follow the rules: counters end in _total, durations in _seconds, sizes in _bytes', async () => {
  const types = [...(await scrape()).matchAll(/^# TYPE (mediaferry_\S+) (\S+)$/gm)]
  assert.ok(types.length >= 25)
  for (const [, name = '', type = ''] of types) {
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    if (/duration|age/.test(name)) assert.match(name, /_seconds$/)
  }
})

const ROOT = join(import.meta.dirname, '..', '..', 'src', 'ops')

for (const file of ['prometheus/alerts.yml', 'grafana/mediaferry.json']) {
  test(`${file} names only metrics that there are`, async () => {
    const exposed = new Set([...(await scrape()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
    for (const name of ops.metricNames) assert.ok(exposed.has(name), `${name} is exposed`)
    const text = readFileSync(join(ROOT, file), 'utf8')
    const named = new Set(text.match(/\b(?:mediaferry|process|nodejs)_[a-z0-9_]+/g))
    assert.ok(named.size >= 8)
    for (const name of named) {
      const family = name.replace(/_(?:bucket|sum|count)$/, '')
      assert.ok(exposed.has(name) || exposed.has(family), `${name} is not exposed`)
    }
  })
}

test('every metric of ours is shown on the dashboard for Grafana, but the age of the numbers', () => {
  const text = readFileSync(join(ROOT, 'grafana/mediaferry.json'), 'utf8')
  const missing = ops.metricNames.filter(name => !text.includes(name))
  assert.deepEqual(missing.sort(), [
    'mediaferry_attachments_due',
    'mediaferry_paused',
    'mediaferry_summary_age_seconds',
  ])
})
