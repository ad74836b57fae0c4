import { Logger, run } from 'graphile-worker'
import { CONCURRENCY, DATABASE_URL, ready } from './child.ts'
import { type Job, openCopy } from './copy.ts'

/**
 * Configured for throughput as its documentation shows ("Performance" and its section "Batching": a local queue of
 * 500, job completion batched, one connection more than jobs).
 */
const copy = openCopy(CONCURRENCY)

await run({
  preset: {
    worker: {
      connectionString: DATABASE_URL,
      concurrentJobs: CONCURRENCY,
      maxPoolSize: CONCURRENCY + 1,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      logger: new Logger(() => () => undefined),
    },
  },
  taskList: { copy: payload => copy(payload as Job) },
})
ready()
