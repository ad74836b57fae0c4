import { describeError, UserError } from '../../../src/errors.ts'
import { commit, machine } from '../report.ts'
import { startWorld, type World, type WorldOptions } from '../world.ts'
import { daemonsFaults, measureDaemons } from './daemons.ts'
import { measureQueries, queryFaults } from './measure-queries.ts'
import { measureDaemonMemory, memoryFaults } from './memory.ts'
import { HELP, type Part, readScaleOptions, type ScaleOptions } from './options.ts'
import { measureRealtime, REALTIME_LIMIT, realtimeFaults } from './realtime.ts'
import { daemonsTable, memoryTable, queriesTable, realtimeTable } from './tables.ts'

/** What one part found: for people, for programs, and what is not as it should be. */
interface Found {
  readonly table: string
  readonly json: Readonly<Record<string, unknown>>
  readonly faults: readonly string[]
}

/** `npm run bench:scale`: what grows with the table, with the backlog, with the number of daemons, with the events. */
async function main(): Promise<void> {
  const args = process.argv.slice(2)
  if (args.includes('--help')) return void process.stdout.write(HELP)
  const options = readScaleOptions(args)
  const found: Found[] = []
  for (const part of options.parts) found.push(await PARTS[part](options))
  const faults = found.flatMap(part => part.faults)
  const report = {
    machine: machine(),
    commit: commit(),
    ...Object.assign({}, ...found.map(({ json }) => json)),
  }
  process.stdout.write(`\n${found.map(({ table }) => table).join('\n\n')}\n\n`)
  process.stdout.write(`${report.machine}; commit ${report.commit}.\n`)
  for (const fault of faults) process.stdout.write(`not reached: ${fault}\n`)
  if (options.json) process.stdout.write(`${JSON.stringify({ ...report, faults })}\n`)
  if (faults.length > 0) process.exitCode = 1
}

const PARTS: Readonly<Record<Part, (options: ScaleOptions) => Promise<Found>>> = {
  queries: async ({ rows }) => {
    const asked = await measureQueries(rows, say)
    return { table: queriesTable(asked), json: { queries: asked }, faults: queryFaults(asked) }
  },
  memory: ({ pending }) =>
    inWorld({}, async world => {
      const memory = await measureDaemonMemory(world, pending)
      return { table: memoryTable(memory), json: { memory }, faults: memoryFaults(memory) }
    }),
  daemons: () =>
    inWorld({}, async world => {
      const daemons = await measureDaemons(world, say)
      return { table: daemonsTable(daemons), json: { daemons }, faults: daemonsFaults(daemons) }
    }),
  realtime: () =>
    inWorld({ rateLimit: REALTIME_LIMIT }, async world => {
      const realtime = await measureRealtime(world, say)
      return { table: realtimeTable(realtime), json: { realtime }, faults: realtimeFaults(realtime) }
    }),
}

async function inWorld(options: WorldOptions, measure: (world: World) => Promise<Found>): Promise<Found> {
  const world = await startWorld({ folder: 'bench-scale', ...options })
  const end = () => void world.stop().finally(() => process.exit(130))
  for (const signal of SIGNALS) process.once(signal, end)
  try {
    return await measure(world)
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, end)
    await world.stop()
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Progress. Standard output is for the result. */
function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

try {
  await main()
} catch (error) {
  process.stderr.write(`error: ${describeError(error)}\n`)
  if (error instanceof UserError && error.hint !== undefined) process.stderr.write(`${error.hint}\n`)
  else if (error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
}
