import { parseArgs } from 'node:util'
import { simulate } from './simulate.ts'

/**
 * `npm run simulate -- --seeds 1000 --first 1`: stops at the first seed that breaks an invariant, with exit code 1 and
 * the last events before it. `--verbose` shows how often each fault and each outcome occurred, and with `--seeds 1`
 * everything that happens.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
})
const first = Number(values.first)
const seeds = Number(values.seeds)
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(seeds) || seeds < 1) {
  throw new Error('--seeds and --first take whole numbers.')
}

const SHOWN_LINES = 40
const PROGRESS_EVERY = 100
const counts = new Map<string, number>()
const started = performance.now()
let steps = 0
let lasted = 0
let done = 0
for (let seed = first; seed < first + seeds && process.exitCode === undefined; seed++) {
  const inFull = values.verbose && seeds === 1
  const result = await simulate(seed, { counts, ...(inFull ? { show: console.log } : {}) })
  steps += result.steps
  lasted += result.lasted
  done++
  if (result.violations.length > 0) {
    if (!inFull) console.log(result.trace.slice(-SHOWN_LINES).join('\n'))
    for (const { invariant, what } of result.violations) console.log(`seed ${seed}: ${invariant}: ${what}`)
    console.log(`Again, in full: npm run simulate -- --first ${seed} --seeds 1 --verbose`)
    process.exitCode = 1
  } else if (done % PROGRESS_EVERY === 0) console.log(`${done} of ${seeds} seeds`)
}
if (values.verbose) {
  for (const [what, times] of [...counts].sort()) console.log(`${String(times).padStart(7)}  ${what}`)
}
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(
  `${done} seeds, ${process.exitCode === 1 ? 'the last one broken' : 'none broken'}: ${steps} events in ` +
    `${Math.round(lasted / 1000)} simulated seconds, ${seconds} s`,
)
// A broken world is left as it was found, and what it waits for would keep the process for twenty seconds.
process.exit()
