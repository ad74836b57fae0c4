import { relative } from 'node:path'
import { describeError, UserError } from '../../src/errors.ts'
import { drawCharts } from './charts.ts'
import { measure, type Result } from './measure.ts'
import type { MixName } from './mix.ts'
import { HELP, type Options, readOptions } from './options.ts'
import { commit, figures, type Measurement, machine, markdown, races } from './report.ts'
import type { SystemName } from './work.ts'
import { startWorld, type World } from './world.ts'

/** `npm run bench`: mediaferry beside what people would use in its place, and beside the limit of the machine. */
async function main(): Promise<void> {
  const args = process.argv.slice(2)
  if (args.includes('--help')) return void process.stdout.write(HELP)
  const options = readOptions(args)
  say('Starting PostgreSQL, the fake Graph API, the fake Storage, Realtime …')
  const world = await startWorld()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void world.stop().finally(() => process.exit(130)))
  }
  let measurements: Measurement[]
  try {
    measurements = await measureAll(world, options)
  } finally {
    await world.stop()
  }
  const report = { machine: machine(), commit: commit(), cases: figures(measurements) }
  process.stdout.write(`\n${[markdown(report), ...races(measurements)].join('\n\n')}\n\n`)
  if (options.whole) {
    const charts = await drawCharts(report)
    say(`Drawn: ${charts.map(path => relative(process.cwd(), path)).join(', ')}`)
  }
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
}

/** A line for each case, on a terminal and in a file alike. Standard output is for the result. */
function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

async function measureAll(world: World, options: Options): Promise<Measurement[]> {
  const { systems, mixes, concurrencies, rounds } = options
  const results = new Map<string, Result[]>()
  const keyOf = (system: SystemName, mix: MixName, concurrency: number) => `${system} ${mix} ${concurrency}`
  const whole = systems.length * mixes.length * concurrencies.length * rounds
  let done = 0
  for (const mix of mixes) {
    for (const concurrency of concurrencies) {
      const count = await countFor(world, mix, concurrency, options.seconds)
      for (let round = 1; round <= rounds; round++) {
        for (const system of round % 2 === 1 ? systems : systems.toReversed()) {
          const result = await measure(world, { system, mix, concurrency, count })
          const key = keyOf(system, mix, concurrency)
          results.set(key, [...(results.get(key) ?? []), result])
          say(progress(`${++done}/${whole}`, `round ${round}`, key, result))
        }
      }
    }
  }
  return mixes.flatMap(mix =>
    concurrencies.flatMap(concurrency =>
      systems.map(system => ({
        system,
        mix,
        concurrency,
        rounds: results.get(keyOf(system, mix, concurrency)) ?? [],
      })),
    ),
  )
}

/** As many as raw carries in that time; whole hundreds, in which the mixed set has each of its files once. */
async function countFor(world: World, mix: MixName, concurrency: number, seconds: number): Promise<number> {
  const trial = { system: 'raw', mix, concurrency, count: mix === 'mixed' ? 100 : 500 } as const
  const { perS } = await measure(world, trial)
  return Math.max(1, Math.round((perS * seconds) / 100)) * 100
}

function progress(at: string, round: string, key: string, result: Result): string {
  const [system = '', mix = '', concurrency = ''] = key.split(' ')
  const { perS, mbS, cpuMsEach, dbCallsEach, peakRssMb } = result
  return [
    at.padStart(7),
    round,
    system.padEnd(15),
    mix.padEnd(5),
    `${concurrency} lanes`.padStart(8),
    `${perS.toFixed(0)}/s`.padStart(7),
    `${mbS.toFixed(0)} MB/s`.padStart(9),
    `${cpuMsEach.toFixed(2)} ms CPU`.padStart(12),
    `${dbCallsEach.toFixed(2)} calls`.padStart(10),
    `${peakRssMb.toFixed(0)} MB`.padStart(7),
  ].join('  ')
}

try {
  await main()
} catch (error) {
  process.stderr.write(`error: ${describeError(error)}\n`)
  if (error instanceof UserError && error.hint !== undefined) process.stderr.write(`${error.hint}\n`)
  else if (error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
}
