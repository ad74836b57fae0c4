import { PgBoss } from 'pg-boss'
import { CONCURRENCY, DATABASE_URL, ready } from './child.ts'
import { type Job, openCopy } from './copy.ts'

/**
 * Configured for throughput by what its documentation offers ("Workers"): as many workers as lanes, each with a
 * batch of ten that it carries one after the other, fetching without a pause while batches come back full.
 */
export const QUEUE = 'copy'
const copy = openCopy(CONCURRENCY)

const boss = new PgBoss({
  connectionString: DATABASE_URL,
  max: Math.min(CONCURRENCY + 1, 40),
  schedule: false,
})
boss.on('error', error => {
  console.error(error)
  process.exit(1)
})
await boss.start()
await boss.work<Job>(
  QUEUE,
  { localConcurrency: CONCURRENCY, batchSize: 10, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
  async jobs => {
    for (const { data } of jobs) await copy(data)
  },
)
ready()
