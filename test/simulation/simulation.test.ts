import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startSimulator } from './apart.ts'

const SEEDS = 200
const REPLAYED = [3, 17, 71] as const

const { simulate, stop } = startSimulator()
after(stop)

/** Without these a world is too kind to prove anything. */
const MUST_HAPPEN = [
  'daemon killed',
  'daemon frozen',
  'daemon stopped',
  'state file lost',
  'claim taken over',
  'suspect claimed',
  'object moved',
  'poison killed',
  'paused',
  'retried by an operator',
  'webhook redelivered',
  'long write transaction',
  'event lost',
  'event late',
  'event doubled',
  'hiccup lost',
  'island',
  'outage whatsapp media_error',
  'settled uploaded  applied',
  'settled uploaded  already',
  'poison ended FAILED worker_lost',
  'gone ended FAILED media_gone',
  'mismatch ended FAILED integrity',
  'none ended UPLOADED ',
]

test(`${SEEDS} seeds break no invariant, and everything that can happen does`, async () => {
  const counts = new Map<string, number>()
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, counts: counted } = await simulate(seed)
    for (const [what, times] of counted) counts.set(what, (counts.get(what) ?? 0) + times)
    const again = `npm run simulate -- --first ${seed} --seeds 1 --verbose`
    assert.deepEqual(violations, [], again)
  }
  for (const dependency of ['whatsapp', 'storage', 'database']) {
    for (const kind of ['unreachable', 'hang', 'lost', 'slow', 'error']) {
      assert.ok(counts.has(`outage ${dependency} ${kind}`), `${dependency} was never ${kind}`)
    }
  }
  for (const what of MUST_HAPPEN) assert.ok(counts.has(what), `never: ${what}`)
})

test('a seed replays exactly', async () => {
  for (const seed of REPLAYED) {
    const first = await simulate(seed)
    const second = await simulate(seed)
    assert.ok(first.trace.length > 50)
    assert.deepEqual(second.trace, first.trace)
    assert.deepEqual([second.steps, second.lasted], [first.steps, first.lasted])
  }
})
