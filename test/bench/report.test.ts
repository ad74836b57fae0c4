import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figures, type Measurement, markdown, races } from './report.ts'

const result = (perS: number, cpuMsEach = 1) => ({
  perS,
  mbS: perS / 5,
  cpuMsEach,
  dbCallsEach: 0.05,
  peakRssMb: 100,
})
const of = (system: Measurement['system'], ...speeds: number[]): Measurement => ({
  system,
  mix: '200KB',
  concurrency: 32,
  rounds: speeds.map(speed => result(speed)),
})

test('a ratio is taken round by round, since the machine is not the same in each', () => {
  const [raw, ours] = figures([of('raw', 1000, 500, 800), of('mediaferry', 800, 450, 600)])
  assert.equal(raw?.ratio_to_raw, 1)
  assert.equal(ours?.per_s, 600)
  assert.equal(ours?.ratio_to_raw, 0.8)
})

test('without raw there is nothing to compare with', () => {
  const cases = figures([of('mediaferry', 800)])
  assert.equal(cases[0]?.ratio_to_raw, null)
  assert.match(
    markdown({ machine: 'a machine', commit: 'abc', cases }),
    /\| 32 \| mediaferry \| 800 \| 160 \| {2}\|/,
  )
})

test('ahead in a round is ahead of that very round', () => {
  assert.deepEqual(races([of('mediaferry', 800, 300, 700), of('graphile-worker', 700, 400, 600)]), [
    '200KB, 32 lanes: ahead of graphile-worker in 2 of 3 rounds',
  ])
})
