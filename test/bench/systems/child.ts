import { inform } from '../servers/channel.ts'

/** What the benchmark tells a measured child by its environment. */
export const CONCURRENCY = Number(process.env.BENCH_CONCURRENCY)
export const DATABASE_URL = process.env.BENCH_DATABASE_URL ?? ''

export const ready = (): void => inform({ ready: true })
export { inform }

// An orderly end, so that Node writes the profile that `--flags` may have asked for.
process.on('SIGTERM', () => process.exit(0))
